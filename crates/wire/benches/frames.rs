//! Frames by themselves: `cargo bench -p hotclub-wire`.
#![allow(clippy::unwrap_used)]

use divan::{Bencher, black_box};
use hotclub_wire::{EnvironWriter, FrameHeader, FrameKind, HeadFields, RequestHeader, RequestKind};

fn main() {
    divan::main();
}

const HEADER: RequestHeader = RequestHeader {
    kind: RequestKind::Request,
    body_by_descriptor: false,
    lane: 0,
    environ_len: 0,
    id: 1,
    body_len: 0,
    queued_at: 0,
};

#[divan::bench]
fn request_of_20_variables(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| {
        let mut environ = EnvironWriter::with_capacity(1024);
        for _ in 0..10 {
            environ
                .set(b"PATH_INFO", black_box(b"/art/2024/untitled"))
                .unwrap();
            environ
                .set_header(b"accept-language", black_box(b"en-US,en;q=0.5"))
                .unwrap();
        }
        environ.finish(HEADER)
    });
}

#[divan::bench]
fn answers_header(bencher: Bencher<'_, '_>) {
    let bytes = FrameHeader {
        kind: FrameKind::Head,
        end: true,
        status: 200,
        head_len: 100,
        id: 7,
        body_len: 14,
        started_at: 1,
    }
    .encode();
    bencher.bench_local(|| FrameHeader::decode(black_box(&bytes)).unwrap());
}

#[divan::bench]
fn answers_head_of_8_fields(bencher: Bencher<'_, '_>) {
    let head = format!("OK{}", "\0Content-Type\0text/html; charset=utf-8".repeat(8));
    bencher.bench_local(|| {
        let (_, fields) = HeadFields::split(black_box(head.as_bytes()));
        fields
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
    });
}
