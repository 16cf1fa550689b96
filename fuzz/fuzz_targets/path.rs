//! Visitor → front: a path, on its way to a file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hotclub_front::fuzz::path(bytes));
