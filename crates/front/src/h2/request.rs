//! A request of HTTP/2 becomes the same [`Request`] as one of HTTP/1, by the same rules.
//!
//! The h2 crate has refused by then, with a reset of the stream, what RFC 9113, 8.2 and 8.3 call
//! malformed: fields of the connection, TE other than `trailers`, pseudo-fields that are missing,
//! doubled, unknown or late. What follows a `#` in `:path` it has cut off, as a fragment.

use http::request::Parts;

use crate::head::{self, HeadError, Line};
use crate::limits::{Limits, MAX_FIELDS};
use crate::policy;
use crate::request::{Request, Version};
use crate::target::TargetError;

/// What the head says about the message, beside the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// As announced; the h2 crate sees to it that no other number of bytes comes.
    pub(crate) length: Option<u64>,
    /// The client waits for `100 Continue` before it sends the body.
    pub(crate) expects: bool,
}

/// Reads a head into `request` and applies the header policy.
///
/// # Errors
/// See [`HeadError`]; `request` then holds what was understood.
pub(crate) fn read(
    parts: &Parts,
    limits: &Limits,
    context: &policy::Context<'_>,
    request: &mut Request,
) -> Result<Message, HeadError> {
    request.version = Version::Http2;
    request.id = context.id;
    request.client = context.ends.peer_ip();
    request.scheme = context.ends.scheme;
    let method = parts.method.as_str().as_bytes();
    let authority = parts.uri.authority().map(|text| text.as_str());
    // CONNECT has an authority in its place.
    let path = parts.uri.path_and_query().map(|path| path.as_str());
    let raw = path.or(authority).unwrap_or_default();
    let target = head::read_target(method, raw.as_bytes(), limits, request)?;
    if target.authority.is_some() {
        // A whole URL in `:path`.
        return Err(TargetError::Form.into());
    }
    let cookie = joined_cookies(parts);
    let lines = lines(parts, &cookie, limits)?;
    let fields = lines.iter().copied();
    head::read_host(authority.map(str::as_bytes), fields.clone(), request)?;
    head::read_path(&target, request)?;
    let message = Message {
        length: head::read_length(fields.clone())?,
        expects: head::read_expectation(fields.clone())?,
    };
    policy::apply(fields, context, request)?;
    Ok(message)
}

/// Cookies may come in crumbs, a line each (RFC 9113, 8.2.3): one line for whoever is behind us.
fn joined_cookies(parts: &Parts) -> Vec<u8> {
    let mut crumbs = parts.headers.get_all("cookie").iter();
    let mut joined = crumbs
        .next()
        .map_or(Vec::new(), |first| first.as_bytes().to_vec());
    for crumb in crumbs {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    joined
}

/// All lines, the cookies as one.
fn lines<'p>(
    parts: &'p Parts,
    cookie: &'p [u8],
    limits: &Limits,
) -> Result<Vec<Line<'p>>, HeadError> {
    let limit = limits.fields.min(MAX_FIELDS);
    let mut lines: Vec<Line<'p>> = Vec::with_capacity(parts.headers.len().min(limit) + 1);
    let mut bytes = 0;
    let mut has_cookie = false;
    for (name, value) in &parts.headers {
        let (name, mut value) = (name.as_str().as_bytes(), value.as_bytes());
        if value.trim_ascii().len() != value.len() {
            // RFC 9113, 8.2.1: nothing stands around a value here.
            return Err(HeadError::Malformed);
        }
        if name == b"cookie" {
            if std::mem::replace(&mut has_cookie, true) {
                continue;
            }
            value = cookie;
        }
        if lines.len() == limit {
            return Err(HeadError::ManyFields { limit });
        }
        bytes += name.len() + value.len() + 4;
        lines.push((name, value));
    }
    if bytes > limits.head_bytes {
        let limit = limits.head_bytes;
        return Err(HeadError::Large { limit });
    }
    Ok(lines)
}

#[cfg(test)]
#[path = "request/tests.rs"]
mod tests;
