//! Upstream → front: the head of an answer that is to be passed on.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hotclub_front::fuzz::upstream(bytes));
