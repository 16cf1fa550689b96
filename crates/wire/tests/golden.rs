//! The golden vectors that Python reads too (`python/tests`): both sides mean the same bytes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use hotclub_wire::{
    EnvironWriter, Frame, FrameKind, HEADER_LEN, HeadFields, RequestHeader, RequestKind,
};
use serde_json::Value;

fn vectors(of: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../golden/frames.json")).unwrap();
    all[of].as_array().unwrap().clone()
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap())
        .collect()
}

/// Python's text of an environ: each character is one byte.
fn latin1(text: &Value) -> Vec<u8> {
    text.as_str()
        .unwrap()
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect()
}

#[test]
fn every_golden_request_is_read_and_written_the_same() {
    for vector in vectors("requests") {
        let name = &vector["name"];
        let message = bytes(&vector["hex"]);
        let header = RequestHeader::decode(&message).unwrap();
        let expected = RequestHeader {
            kind: match vector["kind"].as_str().unwrap() {
                "request" => RequestKind::Request,
                _ => RequestKind::Marker,
            },
            body_by_descriptor: vector["body_by_descriptor"].as_bool().unwrap(),
            lane: u16::try_from(vector["lane"].as_u64().unwrap()).unwrap(),
            environ_len: header.environ_len,
            id: vector["id"].as_u64().unwrap(),
            body_len: vector["body_len"].as_u64().unwrap(),
            queued_at: vector["queued_at"].as_u64().unwrap(),
        };
        assert_eq!(header, expected, "{name}");

        let mut environ = EnvironWriter::default();
        for pair in vector["environ"].as_array().unwrap() {
            environ.set(&latin1(&pair[0]), &latin1(&pair[1])).unwrap();
        }
        let mut written = environ.finish(header);
        written.extend(bytes(&vector["body"]));
        assert_eq!(written, message, "{name}");
    }
}

#[test]
fn every_golden_frame_is_read_and_written_the_same() {
    for vector in vectors("frames") {
        let name = &vector["name"];
        let stream = bytes(&vector["hex"]);
        let frame = Frame::parse(&stream).unwrap().expect("a whole frame");
        let kind = match vector["kind"].as_str().unwrap() {
            "head" => FrameKind::Head,
            "body" => FrameKind::Body,
            "file" => FrameKind::File,
            _ => FrameKind::Abort,
        };
        assert_eq!(frame.header.kind, kind, "{name}");
        assert_eq!(frame.header.end, vector["end"].as_bool().unwrap(), "{name}");
        assert_eq!(
            u64::from(frame.header.status),
            vector["status"].as_u64().unwrap(),
            "{name}"
        );
        assert_eq!(frame.header.id, vector["id"].as_u64().unwrap(), "{name}");
        assert_eq!(
            frame.header.body_len,
            vector["body_len"].as_u64().unwrap(),
            "{name}"
        );
        assert_eq!(
            frame.header.started_at,
            vector["started_at"].as_u64().unwrap(),
            "{name}"
        );
        assert_eq!(frame.body, bytes(&vector["body"]), "{name}");
        match kind {
            FrameKind::Head => {
                let (reason, fields) = HeadFields::split(frame.head);
                assert_eq!(reason, latin1(&vector["reason"]), "{name}");
                let fields: Vec<_> = fields.map(|(n, v)| (n.to_vec(), v.to_vec())).collect();
                let expected: Vec<_> = vector["fields"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|pair| (latin1(&pair[0]), latin1(&pair[1])))
                    .collect();
                assert_eq!(fields, expected, "{name}");
            }
            FrameKind::File => {
                assert_eq!(
                    frame.file_offset(),
                    vector["offset"].as_u64().unwrap(),
                    "{name}"
                );
            }
            FrameKind::Body | FrameKind::Abort => {}
        }
        assert_eq!(frame.header.encode(), stream[..HEADER_LEN], "{name}");
    }
}

#[test]
fn a_frame_that_is_not_complete_yet_is_waited_for() {
    for vector in vectors("frames") {
        let stream = bytes(&vector["hex"]);
        for cut in 0..stream.len() {
            assert_eq!(
                Frame::parse(&stream[..cut]),
                Ok(None),
                "{} cut at {cut}",
                vector["name"]
            );
        }
    }
}
