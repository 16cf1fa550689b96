//! What the head of a request must be, whatever the version of HTTP it came by: one method, one target,
//! one host, at most one length. What only HTTP/1 has is in `h1/head`.

use crate::host::{self, HostError};
use crate::limits::Limits;
use crate::path::PathError;
use crate::policy::PolicyError;
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

/// A field line: its name and its value.
pub(crate) type Line<'f> = (&'f [u8], &'f [u8]);

/// The method and the target; the path is for [`read_path`], after the host.
pub(crate) fn read_target<'a>(
    method: &[u8],
    raw: &'a [u8],
    limits: &Limits,
    request: &mut Request,
) -> Result<Target<'a>, HeadError> {
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
    Ok(target)
}

pub(crate) fn read_path(target: &Target<'_>, request: &mut Request) -> Result<(), HeadError> {
    if target.path != b"*" {
        request.path.decode(target.path)?;
    }
    Ok(())
}

/// One host: of the request line or `:authority`, of exactly one Host field (in HTTP/1.0 perhaps none),
/// or of both when they agree. (RFC 9112, 3.2.2 lets the first win; a peer that sends two different
/// hosts is up to something. RFC 9113, 8.3.1 calls it malformed.)
pub(crate) fn read_host<'f>(
    authority: Option<&'f [u8]>,
    fields: impl Iterator<Item = Line<'f>>,
    request: &mut Request,
) -> Result<(), HeadError> {
    let mut lines = all(fields, "host");
    let field = lines.next();
    let missing = match request.version {
        Version::Http10 => false,
        Version::Http11 => field.is_none(),
        Version::Http2 => field.or(authority).is_none(),
    };
    if missing || lines.next().is_some() {
        return Err(HeadError::HostCount);
    }
    let authority = match (authority, field) {
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

/// Whether the client waits for `100 Continue`; nothing else can be expected of us (RFC 9110, 10.1.1).
pub(crate) fn read_expectation<'f>(
    fields: impl Iterator<Item = Line<'f>>,
) -> Result<bool, HeadError> {
    let mut expectations = tokens(fields, "expect");
    match (expectations.next(), expectations.next()) {
        (None, _) => Ok(false),
        (Some(one), None) if is(one, "100-continue") => Ok(true),
        _ => Err(HeadError::Expectation),
    }
}

/// The one Content-Length, if there is any.
pub(crate) fn read_length<'f>(
    fields: impl Iterator<Item = Line<'f>>,
) -> Result<Option<u64>, HeadError> {
    let mut lengths = all(fields, "content-length");
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(None),
        (Some(text), None) => number(text).map(Some),
        _ => Err(HeadError::ContentLength),
    }
}

/// Digits and nothing else; 19 of them fit a u64.
fn number(text: &[u8]) -> Result<u64, HeadError> {
    if text.is_empty() || text.len() > 19 || !text.iter().all(u8::is_ascii_digit) {
        return Err(HeadError::ContentLength);
    }
    let value = |sum: u64, digit: &u8| sum * 10 + u64::from(digit - b'0');
    Ok(text.iter().fold(0, value))
}

/// The values of all lines with this name.
pub(crate) fn all<'f>(
    fields: impl Iterator<Item = Line<'f>>,
    name: &str,
) -> impl Iterator<Item = &'f [u8]> {
    fields
        .filter(move |(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value)
}

/// The members of a list field, empty ones included: they are nothing that we would send.
pub(crate) fn tokens<'f>(
    fields: impl Iterator<Item = Line<'f>>,
    name: &str,
) -> impl Iterator<Item = &'f [u8]> {
    all(fields, name)
        .flat_map(|value| value.split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
}

pub(crate) fn is(token: &[u8], name: &str) -> bool {
    token.eq_ignore_ascii_case(name.as_bytes())
}
