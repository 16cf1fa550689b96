//! What an upstream is told: the request's line and fields after the header policy, with the framing
//! of the body that will really be sent.

use crate::environ::Decimal;
use crate::request::Request;
use crate::target;

/// How the request's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// What is added or changed on the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changes<'a> {
    /// Instead of the client's Host.
    pub(crate) host: Option<&'a str>,
    /// When the client named no host, which HTTP/1.0 allows.
    pub(crate) fallback_host: &'a str,
    /// This much of the decoded path is taken off.
    pub(crate) strip: usize,
    /// Who we are in `Via`.
    pub(crate) via: &'a str,
}

/// Whether this request has been here before (RFC 9110, 7.6.3).
pub(crate) fn has_passed(request: &Request, via: &str) -> bool {
    let lines = request.fields.all("via");
    lines
        .into_iter()
        .any(|line| memchr::memmem::find(line, via.as_bytes()).is_some())
}

/// Appends the head to `out`.
pub(crate) fn write(out: &mut Vec<u8>, request: &Request, framing: Framing, changes: &Changes<'_>) {
    out.extend_from_slice(&request.method);
    out.push(b' ');
    write_target(out, request, changes.strip);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let host = changes.host.map(str::as_bytes);
    let host = host.or_else(|| request.fields.get("host"));
    write_field(
        out,
        b"Host",
        host.unwrap_or(changes.fallback_host.as_bytes()),
    );
    for (name, value) in request.fields.iter() {
        let is_ours = name.eq_ignore_ascii_case(b"host") || name.eq_ignore_ascii_case(b"via");
        if !is_ours {
            write_field(out, name, value);
        }
    }
    write_via(out, request, changes.via);
    match framing {
        Framing::None => {}
        Framing::Length(len) => write_field(out, b"Content-Length", Decimal::new(len).as_bytes()),
        Framing::Chunked => write_field(out, b"Transfer-Encoding", b"chunked"),
    }
    if !request.upgrade.is_empty() {
        write_field(out, b"Connection", b"Upgrade");
        write_field(out, b"Upgrade", &request.upgrade);
    }
    out.extend_from_slice(b"\r\n");
}

/// Path and query byte for byte as they came; only `strip` decoded bytes are gone from the front, and
/// a slash takes their place.
fn write_target(out: &mut Vec<u8>, request: &Request, strip: usize) {
    let path = raw_path(request);
    let rest = &path[raw_len(path, strip)..];
    if strip > 0 && !rest.starts_with(b"/") {
        out.push(b'/');
    }
    out.extend_from_slice(rest);
    if request.query_at.is_some() {
        out.push(b'?');
        out.extend_from_slice(request.query());
    }
}

/// The path as it came, without authority and query.
pub(crate) fn raw_path(request: &Request) -> &[u8] {
    // It was parsed before, when the head was read.
    target::parse(&request.method, &request.target).map_or(&b"/"[..], |target| target.path)
}

/// How many bytes of the undecoded `path` make up the first `decoded` bytes of the decoded one.
pub(crate) fn raw_len(path: &[u8], decoded: usize) -> usize {
    let mut at = 0;
    for _ in 0..decoded {
        at += if path.get(at) == Some(&b'%') { 3 } else { 1 };
    }
    at.min(path.len())
}

fn write_via(out: &mut Vec<u8>, request: &Request, via: &str) {
    let before: Vec<&[u8]> = request.fields.all("via").collect();
    let version = request.version.name();
    let version = version.strip_prefix("HTTP/").unwrap_or(version);
    out.extend_from_slice(b"Via: ");
    for line in before {
        out.extend_from_slice(line);
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(version.as_bytes());
    out.push(b' ');
    out.extend_from_slice(via.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
