//! Visitor → front: a body in the chunked coding.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hotclub_front::fuzz::chunked(bytes));
