//! For `fuzz/` only: the parsers of HTTP/1, with what must hold whatever the bytes.

use crate::environ;
use crate::h1::fuzz::{Decoder, Found, Framing, find_end, parse};
use crate::limits::Limits;
use crate::policy::Context;
use crate::request::{Ends, Request, Scheme};
use crate::trust::TrustedProxies;

/// A head: its end is found however it was split, and what is accepted can be put before an app.
///
/// # Panics
/// When that does not hold.
pub fn head(bytes: &[u8]) {
    let whole = find_end(bytes, &mut 0);
    let mut scanned = 0;
    let mut found = Ok(None);
    for at in 0..=bytes.len() {
        found = find_end(&bytes[..at], &mut scanned);
        if found != Ok(None) {
            break;
        }
    }
    assert_eq!(whole, found, "the end depends on how the bytes were split");
    let Ok(Some(end)) = whole else { return };
    let ends = Ends {
        peer: "198.51.100.7:4000".parse().ok(),
        local: None,
        scheme: Scheme::Http,
        server_name: None,
    };
    let context = Context {
        ends: &ends,
        trusted: &TrustedProxies::default(),
        id: Default::default(),
    };
    let mut request = Request::default();
    let Ok(message) = parse(&bytes[..end], &Limits::default(), &context, &mut request) else {
        return;
    };
    let len = match message.framing {
        Framing::Length(len) => Some(len),
        Framing::None | Framing::Chunked => None,
    };
    assert!(
        environ::write(&request, &ends, len).is_ok(),
        "a NUL came through"
    );
    let path = request.path.bytes();
    assert!(
        path.split(|byte| *byte == b'/')
            .all(|segment| segment != b".."),
        "a path leads upwards: {path:?}"
    );
}

/// A chunked body: the same data or the same fault, however it was split. The first byte says how.
///
/// # Panics
/// When that does not hold.
pub fn chunked(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = decode(bytes, bytes.len().max(1));
    let pieces = decode(bytes, usize::from(size).max(1));
    assert_eq!(
        whole, pieces,
        "the body depends on how the bytes were split"
    );
}

/// The data, and whether its end or a fault came.
fn decode(bytes: &[u8], size: usize) -> (Vec<u8>, Result<bool, String>) {
    let mut decoder = Decoder::new();
    let mut data = Vec::new();
    for mut piece in bytes.chunks(size) {
        loop {
            match decoder.next(piece) {
                Ok((_, Found::End)) => return (data, Ok(true)),
                Ok((_, Found::Nothing)) => break,
                Ok((used, Found::Data(part))) => {
                    data.extend_from_slice(part);
                    piece = &piece[used..];
                }
                Err(error) => return (data, Err(error.to_string())),
            }
        }
    }
    (data, Ok(false))
}
