//! Visitor → front: the head of an HTTP/1 request.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hotclub_front::fuzz::head(bytes));
