//! How long a response's body is, and whether it is sent: the same for every version of HTTP, which
//! each says it in its own way.

use crate::message::{Body, Piece, Response};

/// What a response says of its body's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Neither a body nor a length of it.
    None,
    Length(u64),
    /// It ends where it ends.
    Open,
}

/// Statuses that never have a body (RFC 9110, 15.3.5 and 15.4.5).
pub(crate) fn is_bodiless(status: u16) -> bool {
    matches!(status, 204 | 304)
}

/// What `response` says to a HEAD request, or to another.
pub(crate) fn extent(response: &Response, is_head: bool) -> Extent {
    match &response.body {
        // An app's own length on 304 and HEAD tells of the body that GET would have.
        Body::Flow(flow) => match (declared(response), flow.known_len()) {
            _ if response.status == 204 => Extent::None,
            (Some(length), _) => Extent::Length(length),
            (None, Some(0)) if is_head => Extent::None,
            _ if response.status == 304 => Extent::None,
            (None, Some(length)) => Extent::Length(length),
            (None, None) if is_head => Extent::None,
            (None, None) => Extent::Open,
        },
        Body::Bodiless | Body::Tunnel(_) => Extent::None,
        _ if is_bodiless(response.status) => Extent::None,
        Body::Empty => Extent::Length(0),
        Body::Bytes(bytes) => Extent::Length(bytes.len() as u64),
        Body::File { len, .. } => Extent::Length(*len),
        Body::Parts(pieces) => Extent::Length(pieces.iter().map(piece_len).sum()),
    }
}

/// The app's own Content-Length; `answer` has checked that it is one number.
fn declared(response: &Response) -> Option<u64> {
    let text = response.fields.get("content-length")?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn piece_len(piece: &Piece) -> u64 {
    match piece {
        Piece::Bytes(bytes) => bytes.len() as u64,
        Piece::File { len, .. } => *len,
    }
}

/// The fields that are sent as they are: all but the length, which follows from the body, unless there
/// is none.
pub(crate) fn own_fields(response: &Response) -> impl Iterator<Item = (&[u8], &[u8])> {
    let keeps_length = matches!(response.body, Body::Bodiless);
    let is_length = |name: &[u8]| name.eq_ignore_ascii_case(b"content-length");
    response
        .fields
        .iter()
        .filter(move |(name, _)| keeps_length || !is_length(name))
}
