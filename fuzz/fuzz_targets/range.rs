//! Visitor → front: a Range field.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hotclub_front::fuzz::range(bytes));
