//! From a resource and what is asked of it to the response (RFC 9110, 13 to 15).

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::conditions::{Asked, Verdict};
use super::range::{Stretches, stretches};
use super::resource::{Content, Representation, Resource};
use super::{FileMethod, FileRequest};
use crate::message::{Body, Fields, Piece, Response};

/// Answers a GET or HEAD.
pub(super) fn answer(resource: &Resource, request: &FileRequest<'_>) -> Response {
    let asked = Asked::of(request.fields);
    let chosen = resource.choose(asked.accept_encoding.as_deref());
    match asked.verdict(&chosen.validators) {
        Verdict::Failed => empty(412, Fields::default()),
        Verdict::Unchanged => response(304, chosen.unchanged.clone(), Body::Bodiless),
        Verdict::Send if request.method == FileMethod::Head => head(chosen),
        Verdict::Send => send(chosen, &asked),
    }
}

/// The file as the page of a 404: whole, and neither kept nor compared.
pub(super) fn not_found(resource: &Resource, request: &FileRequest<'_>) -> Response {
    let asked = Asked::of(request.fields);
    let chosen = resource.choose(asked.accept_encoding.as_deref());
    let mut found = match request.method {
        FileMethod::Head => head(chosen),
        _ => whole(chosen),
    };
    found.status = 404;
    for name in ["ETag", "Last-Modified", "Accept-Ranges", "Cache-Control"] {
        found.fields.remove(name);
    }
    found.fields.push(b"Cache-Control", b"no-cache");
    found
}

/// For every method but GET and HEAD.
pub(super) fn method_not_allowed() -> Response {
    let mut fields = Fields::with_capacity(1, 16);
    fields.push(b"Allow", b"GET, HEAD");
    empty(405, fields)
}

/// For a server that is out of descriptors or whose disk does not answer.
pub(super) fn unavailable() -> Response {
    let mut fields = Fields::with_capacity(2, 48);
    fields.push(b"Retry-After", b"1");
    fields.push(b"Cache-Control", b"no-store");
    empty(503, fields)
}

fn head(chosen: &Representation) -> Response {
    let mut fields = chosen.whole.clone();
    fields.push(b"Content-Length", chosen.stamp.size.to_string().as_bytes());
    response(200, fields, Body::Bodiless)
}

fn send(chosen: &Representation, asked: &Asked<'_>) -> Response {
    let range = asked
        .range
        .as_deref()
        .filter(|_| asked.range_holds(&chosen.validators));
    match range.map(|range| stretches(range, chosen.stamp.size)) {
        None | Some(Stretches::Ignored) => whole(chosen),
        Some(Stretches::Unsatisfiable) => unsatisfiable(chosen),
        Some(Stretches::Parts(parts)) => match &parts[..] {
            [part] => single(chosen, part),
            parts => multipart(chosen, parts),
        },
    }
}

fn whole(chosen: &Representation) -> Response {
    let body = match piece(chosen, &(0..chosen.stamp.size)) {
        _ if chosen.stamp.size == 0 => Body::Empty,
        piece => body(piece),
    };
    response(200, chosen.whole.clone(), body)
}

fn single(chosen: &Representation, part: &Range<u64>) -> Response {
    let mut fields = chosen.whole.clone();
    fields.push(
        b"Content-Range",
        content_range(part, chosen.stamp.size).as_bytes(),
    );
    response(206, fields, body(piece(chosen, part)))
}

fn unsatisfiable(chosen: &Representation) -> Response {
    let mut fields = chosen.unchanged.clone();
    // Of an error, not of the file: it must not be kept for the file's time.
    fields.remove("Cache-Control");
    fields.push(b"Accept-Ranges", b"bytes");
    fields.push(
        b"Content-Range",
        format!("bytes */{}", chosen.stamp.size).as_bytes(),
    );
    empty(416, fields)
}

/// RFC 9110, 14.6: each part says its type and where it lies.
fn multipart(chosen: &Representation, parts: &[Range<u64>]) -> Response {
    let boundary = boundary();
    let mut fields = chosen.whole.clone();
    fields.remove("Content-Type");
    let media_type = format!("multipart/byteranges; boundary={boundary}");
    fields.push(b"Content-Type", media_type.as_bytes());
    let mut pieces = Vec::with_capacity(parts.len() * 2 + 1);
    for part in parts {
        let newline = if pieces.is_empty() { "" } else { "\r\n" };
        let opening = format!(
            "{newline}--{boundary}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
            chosen.media_type.name,
            content_range(part, chosen.stamp.size),
        );
        pieces.push(Piece::Bytes(opening.into()));
        pieces.push(piece(chosen, part));
    }
    pieces.push(Piece::Bytes(format!("\r\n--{boundary}--\r\n").into()));
    response(206, fields, Body::Parts(pieces))
}

fn content_range(part: &Range<u64>, len: u64) -> String {
    format!("bytes {}-{}/{len}", part.start, part.end - 1)
}

fn piece(chosen: &Representation, part: &Range<u64>) -> Piece {
    match &chosen.content {
        Content::Memory(bytes) => Piece::Bytes(slice(bytes, part)),
        Content::Open(file) => Piece::File {
            file: Arc::clone(file),
            offset: part.start,
            len: part.end - part.start,
        },
    }
}

/// The part of content that is in memory, so that its length is a `usize`.
fn slice(bytes: &Bytes, part: &Range<u64>) -> Bytes {
    let at = |place: u64| {
        usize::try_from(place)
            .unwrap_or(usize::MAX)
            .min(bytes.len())
    };
    bytes.slice(at(part.start)..at(part.end))
}

fn body(piece: Piece) -> Body {
    match piece {
        Piece::Bytes(bytes) => Body::Bytes(bytes),
        Piece::File { file, offset, len } => Body::File { file, offset, len },
    }
}

fn empty(status: u16, fields: Fields) -> Response {
    response(status, fields, Body::Empty)
}

fn response(status: u16, fields: Fields, body: Body) -> Response {
    Response {
        status,
        reason: None,
        fields,
        body,
    }
}

/// Unlike anything in the file, and not to be foretold by whoever uploaded it: the standard
/// library's hash keys are random.
fn boundary() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}
