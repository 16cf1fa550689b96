//! The head of a request in HTTP/1: where it ends, whether it is one, and how its body is framed.

use std::mem::MaybeUninit;

use httparse::Header;

use crate::head::{self, HeadError, Line, is, tokens};
use crate::limits::{Limits, MAX_FIELDS};
use crate::policy;
use crate::request::{Request, Version};

/// `websocket` has 9 bytes, and nothing that is in use many more.
const PROTOCOL_MAX: usize = 32;

/// How the body is delimited (RFC 9112, 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// What the head says about the message, beside the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub(crate) expects: bool,
}

/// Finds the end of a head in `bytes`, the first `scanned` of which were seen before.
///
/// # Errors
/// As soon as a line ends in a bare LF or the first line is empty, so that a peer that never sends the
/// right end is answered and not waited for.
pub(crate) fn find_end(bytes: &[u8], scanned: &mut usize) -> Result<Option<usize>, HeadError> {
    if matches!(bytes.first(), Some(b'\r' | b'\n')) {
        return Err(HeadError::EmptyLine);
    }
    // TLS on a plain port, for one, begins so, and would be waited for.
    if bytes.first().is_some_and(|first| !first.is_ascii_graphic()) {
        return Err(HeadError::Malformed);
    }
    for at in memchr::memchr_iter(b'\n', &bytes[*scanned..]) {
        let at = *scanned + at;
        if at == 0 || bytes[at - 1] != b'\r' {
            return Err(HeadError::BareLineFeed);
        }
        if at >= 3 && bytes[at - 2] == b'\n' {
            return Ok(Some(at + 1));
        }
    }
    *scanned = bytes.len();
    Ok(None)
}

/// Reads a whole head, as [`find_end`] found it, into `request`, and applies the header policy.
///
/// # Errors
/// See [`HeadError`]; `request` then holds what was understood.
pub(crate) fn parse(
    head: &[u8],
    limits: &Limits,
    context: &policy::Context<'_>,
    request: &mut Request,
) -> Result<Message, HeadError> {
    request.id = context.id;
    request.client = context.ends.peer_ip();
    request.scheme = context.ends.scheme;
    let mut space = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_FIELDS];
    let allowed = limits.fields.min(MAX_FIELDS);
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(head, &mut space[..allowed]) {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        Ok(_) => return Err(HeadError::Malformed),
        Err(error) => return Err(refuse(error, head, allowed)),
    }
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(HeadError::Malformed);
    };
    request.version = if minor == 0 {
        Version::Http10
    } else {
        Version::Http11
    };
    let fields = parsed.headers.iter().map(|h| (h.name.as_bytes(), h.value));
    let target = head::read_target(method.as_bytes(), target.as_bytes(), limits, request)?;
    head::read_host(target.authority, fields.clone(), request)?;
    head::read_path(&target, request)?;
    let message = read_message(request.version, &fields)?;
    read_upgrade(message.framing, request, &fields);
    policy::apply(fields, context, request)?;
    Ok(message)
}

fn refuse(error: httparse::Error, head: &[u8], limit: usize) -> HeadError {
    let line = &head[..memchr::memchr(b'\r', head).unwrap_or(head.len())];
    match error {
        httparse::Error::TooManyHeaders => HeadError::ManyFields { limit },
        httparse::Error::Version if names_a_version(line) => HeadError::Version,
        _ => HeadError::Malformed,
    }
}

/// A well-formed line of another version: HTTP, though not one of ours.
fn names_a_version(line: &[u8]) -> bool {
    let words: Vec<_> = line.split(|b| *b == b' ').collect();
    matches!(words[..], [_, _, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

fn read_message<'f>(
    version: Version,
    fields: &(impl Iterator<Item = Line<'f>> + Clone),
) -> Result<Message, HeadError> {
    let has = |option: &str| tokens(fields.clone(), "connection").any(|t| is(t, option));
    let keep_alive = match version {
        Version::Http10 => has("keep-alive") && !has("close"),
        _ => !has("close"),
    };
    let framing = read_framing(version, fields)?;
    // In HTTP/1.0 nobody can expect anything.
    let expects = version != Version::Http10 && head::read_expectation(fields.clone())?;
    Ok(Message {
        framing,
        keep_alive,
        expects: expects && framing != Framing::None,
    })
}

/// The one protocol that a GET without a body asks for (RFC 9110, 7.8). Anything else that speaks of
/// upgrades is an ordinary request.
fn read_upgrade<'f>(
    framing: Framing,
    request: &mut Request,
    fields: &(impl Iterator<Item = Line<'f>> + Clone),
) {
    let mut protocols = head::all(fields.clone(), "upgrade");
    let (Some(protocol), None) = (protocols.next(), protocols.next()) else {
        return;
    };
    let is_asked = request.version == Version::Http11
        && request.method == b"GET"
        && framing == Framing::None
        && tokens(fields.clone(), "connection").any(|t| is(t, "upgrade"));
    let is_one = (1..=PROTOCOL_MAX).contains(&protocol.len())
        && protocol
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'/' | b'_'));
    if is_asked && is_one {
        request.upgrade.extend_from_slice(protocol);
    }
}

fn read_framing<'f>(
    version: Version,
    fields: &(impl Iterator<Item = Line<'f>> + Clone),
) -> Result<Framing, HeadError> {
    let there = |name: &str| head::all(fields.clone(), name).next().is_some();
    if !there("transfer-encoding") {
        let length = head::read_length(fields.clone())?;
        return Ok(length.map_or(Framing::None, Framing::Length));
    }
    if there("content-length") {
        return Err(HeadError::TwoLengths);
    }
    read_coding(version, fields)
}

fn read_coding<'f>(
    version: Version,
    fields: &(impl Iterator<Item = Line<'f>> + Clone),
) -> Result<Framing, HeadError> {
    let chunked = |token: &[u8]| is(token, "chunked");
    let codings = || tokens(fields.clone(), "transfer-encoding");
    let ends_in_chunked = codings().last().is_some_and(chunked);
    let once = codings().filter(|t| chunked(t)).count() == 1;
    if version == Version::Http10 || !ends_in_chunked || !once {
        return Err(HeadError::TransferEncoding);
    }
    if codings().count() > 1 {
        return Err(HeadError::Coding);
    }
    Ok(Framing::Chunked)
}

#[cfg(test)]
#[path = "head/tests.rs"]
mod tests;
