//! Proxy → front: a header of the PROXY protocol.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| hotclub_front::fuzz::proxy_header(bytes));
