//! Worker → front: frames, one by one.
#![no_main]

use hotclub_wire::{Frame, HeadFields};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some(frame)) = Frame::parse(rest) {
        // What was understood is written as it came.
        assert_eq!(frame.header.encode(), rest[..32]);
        let (_, fields) = HeadFields::split(frame.head);
        let len: usize = fields.map(|(name, value)| name.len() + value.len()).sum();
        assert!(len <= frame.head.len());
        rest = &rest[frame.header.wire_len()..];
    }
});
