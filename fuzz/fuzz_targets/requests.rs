//! Front → worker: headers of queue messages. What Python does with them: python/tests/test_fuzz.py.
#![no_main]

use hotclub_wire::RequestHeader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = RequestHeader::decode(bytes) {
        assert_eq!(header.encode(), bytes[..32]);
    }
});
