//! Visitor → front: the frames of HTTP/2, as they are counted.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hotclub_front::fuzz::census(bytes));
