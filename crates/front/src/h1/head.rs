//! The head of a request: where it ends, whether it is one, and how its body is framed.

use std::mem::MaybeUninit;

use httparse::Header;

use crate::host::{self, HostError};
use crate::limits::{Limits, MAX_FIELDS};
use crate::path::PathError;
use crate::policy::{self, PolicyError};
use crate::request::{Request, Version};
use crate::target::{self, Target, TargetError};

/// No method of any standard is longer than 17 bytes.
const METHOD_MAX: usize = 32;

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("a line of the request does not end in CR LF")]
    BareLineFeed,
    #[error("the request begins with an empty line")]
    EmptyLine,
    #[error("the request and its fields are larger than {limit} bytes")]
    Large { limit: usize },
    #[error("the request has more than {limit} fields")]
    ManyFields { limit: usize },
    #[error("the request line or a field is malformed")]
    Malformed,
    #[error("this version of HTTP is not spoken here")]
    Version,
    #[error("the method is longer than {METHOD_MAX} bytes")]
    Method,
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("the request needs exactly one Host field")]
    HostCount,
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("Host differs from the host in the request line")]
    HostMismatch,
    #[error("Content-Length is not one number")]
    ContentLength,
    #[error("Content-Length beside Transfer-Encoding")]
    TwoLengths,
    #[error("Transfer-Encoding does not end in chunked")]
    TransferEncoding,
    #[error("a transfer coding other than chunked")]
    Coding,
    #[error("an expectation other than 100-continue")]
    Expectation,
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

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
    read_line(
        method.as_bytes(),
        target.as_bytes(),
        limits,
        request,
        parsed.headers,
    )?;
    let message = read_message(request.version, parsed.headers)?;
    let fields = parsed.headers.iter().map(|h| (h.name.as_bytes(), h.value));
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

/// The request line and the host that belongs to it.
fn read_line(
    method: &[u8],
    raw: &[u8],
    limits: &Limits,
    request: &mut Request,
    fields: &[Header<'_>],
) -> Result<(), HeadError> {
    if method.len() > METHOD_MAX {
        return Err(HeadError::Method);
    }
    request.method.extend_from_slice(method);
    if raw.len() > limits.target_bytes {
        let limit = limits.target_bytes;
        return Err(TargetError::Long { limit }.into());
    }
    request.target.extend_from_slice(raw);
    let target = target::parse(method, raw)?;
    request.query_at = target.query_at;
    read_host(&target, request, fields)?;
    if target.path != b"*" {
        request.path.decode(target.path)?;
    }
    Ok(())
}

/// Exactly one Host in HTTP/1.1, at most one in 1.0; the target's authority must agree with it
/// (RFC 9112, 3.2.2 lets it win; a peer that sends two different hosts is up to something).
fn read_host(
    target: &Target<'_>,
    request: &mut Request,
    fields: &[Header<'_>],
) -> Result<(), HeadError> {
    let mut lines = all(fields, "host");
    let field = lines.next();
    if lines.next().is_some() || (field.is_none() && request.version == Version::Http11) {
        return Err(HeadError::HostCount);
    }
    let authority = match (target.authority, field) {
        (Some(authority), Some(field)) if !authority.eq_ignore_ascii_case(field) => {
            return Err(HeadError::HostMismatch);
        }
        (Some(authority), _) => authority,
        (None, Some(field)) => field,
        (None, None) => return Ok(()),
    };
    request.host_len = host::parse(authority)?.host.len();
    request.authority.extend_from_slice(authority);
    Ok(())
}

fn read_message(version: Version, fields: &[Header<'_>]) -> Result<Message, HeadError> {
    let has = |option: &str| tokens(fields, "connection").any(|t| is(t, option));
    let keep_alive = match version {
        Version::Http11 => !has("close"),
        Version::Http10 => has("keep-alive") && !has("close"),
    };
    let framing = read_framing(version, fields)?;
    let mut expectations = tokens(fields, "expect").filter(|_| version == Version::Http11);
    let expects = match (expectations.next(), expectations.next()) {
        (None, _) => false,
        (Some(one), None) if is(one, "100-continue") => framing != Framing::None,
        _ => return Err(HeadError::Expectation),
    };
    Ok(Message {
        framing,
        keep_alive,
        expects,
    })
}

fn read_framing(version: Version, fields: &[Header<'_>]) -> Result<Framing, HeadError> {
    let mut lengths = all(fields, "content-length");
    let length = lengths.next();
    let coded = all(fields, "transfer-encoding").next().is_some();
    if coded && length.is_some() {
        return Err(HeadError::TwoLengths);
    }
    if coded {
        return read_coding(version, fields);
    }
    match (length, lengths.next()) {
        (None, _) => Ok(Framing::None),
        (Some(text), None) => read_length(text).map(Framing::Length),
        _ => Err(HeadError::ContentLength),
    }
}

fn read_coding(version: Version, fields: &[Header<'_>]) -> Result<Framing, HeadError> {
    let chunked = |token: &[u8]| is(token, "chunked");
    let codings = || tokens(fields, "transfer-encoding");
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

/// Digits and nothing else; 19 of them fit a u64.
fn read_length(text: &[u8]) -> Result<u64, HeadError> {
    if text.is_empty() || text.len() > 19 || !text.iter().all(u8::is_ascii_digit) {
        return Err(HeadError::ContentLength);
    }
    let value = |sum: u64, digit: &u8| sum * 10 + u64::from(digit - b'0');
    Ok(text.iter().fold(0, value))
}

fn all<'a>(fields: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    fields
        .iter()
        .filter(move |f| f.name.len() == name.len() && f.name.eq_ignore_ascii_case(name))
        .map(|f| f.value)
}

/// The members of a list field, empty ones included: they are nothing that we would send.
fn tokens<'a>(fields: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    all(fields, name)
        .flat_map(|value| value.split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
}

fn is(token: &[u8], name: &str) -> bool {
    token.eq_ignore_ascii_case(name.as_bytes())
}

#[cfg(test)]
#[path = "head/tests.rs"]
mod tests;
