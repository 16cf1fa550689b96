//! Whatever a broken worker sends, the parser answers; whatever is written is read back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use hotclub_wire::{EnvironWriter, Frame, HEADER_LEN, HeadFields, RequestHeader, RequestKind};
use proptest::collection::vec;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = Vec<u8>> {
    vec(1..=255u8, 0..40)
}

proptest! {
    #[test]
    fn no_bytes_panic_the_parser_and_a_frame_lies_within_them(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(Some(frame)) = Frame::parse(&bytes) {
            prop_assert!(frame.header.wire_len() <= bytes.len());
            let (_, fields) = HeadFields::split(frame.head);
            prop_assert!(fields.count() <= frame.head.len() + 1);
        }
        let _ = RequestHeader::decode(&bytes);
    }

    #[test]
    fn headers_that_look_right_are_bounded(
        kind in 1..=4u8, flags in 0..=1u8, status in any::<u16>(), head in any::<u32>(),
        id in any::<u64>(), body in any::<u64>(),
    ) {
        let mut bytes = vec![kind, flags];
        bytes.extend(status.to_le_bytes());
        bytes.extend(head.to_le_bytes());
        bytes.extend(id.to_le_bytes());
        bytes.extend(body.to_le_bytes());
        bytes.extend(0u64.to_le_bytes());
        if let Ok(Some(header)) = hotclub_wire::FrameHeader::decode(&bytes) {
            prop_assert!(header.wire_len() <= HEADER_LEN + (1 << 30) + 256 * 1024);
            prop_assert_eq!(&header.encode()[..], &bytes[..]);
        }
    }

    #[test]
    fn an_environ_is_read_back_as_it_was_written(pairs in vec((text(), text()), 0..20)) {
        let mut environ = EnvironWriter::with_capacity(100);
        for (name, value) in &pairs {
            environ.set(name, value).unwrap();
        }
        let header = RequestHeader {
            kind: RequestKind::Request, body_by_descriptor: false, lane: 0, environ_len: 0,
            id: 1, body_len: 0, queued_at: 0,
        };
        let message = environ.finish(header);
        let header = RequestHeader::decode(&message).unwrap();
        prop_assert_eq!(header.environ_len as usize, message.len() - HEADER_LEN);
        let mut parts = message[HEADER_LEN..].split(|byte| *byte == 0);
        for (name, value) in &pairs {
            prop_assert_eq!(parts.next().unwrap(), &name[..]);
            prop_assert_eq!(parts.next().unwrap(), &value[..]);
        }
    }

    #[test]
    fn a_nul_byte_never_gets_into_an_environ(mut name in text(), at in any::<prop::sample::Index>()) {
        let at = at.index(name.len() + 1);
        name.insert(at, 0);
        let mut environ = EnvironWriter::default();
        prop_assert!(environ.set(&name, b"x").is_err());
        prop_assert!(environ.set_header(b"x", &name).is_err());
        prop_assert!(environ.is_empty());
    }
}
