//! Visitor → front: the authority in Host or `:authority`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hotclub_front::fuzz::host(bytes));
