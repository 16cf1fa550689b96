//! A request as CGI variables (RFC 3875, PEP 3333), ready-made for the worker.
//!
//! `PATH_INFO` is the decoded path; `RAW_URI` and `REQUEST_URI` are the target as it came.
//! `CONTENT_LENGTH` is there whenever there is a body, chunked ones included, for the body is complete.
//! Fields that come several times are joined: cookies with `; `, all others with `,`.

use hotclub_wire::{EnvironError, EnvironWriter};

use crate::policy::AddressText;
use crate::request::{Ends, Request};

/// Bytes beside the fields, usually.
const BESIDE: usize = 512;

/// The environ of a request whose body has `body_len` bytes (`None`: it has no body).
///
/// # Errors
/// When a value holds a NUL byte, which the checks before this leave no way for.
pub(crate) fn write(
    request: &Request,
    ends: &Ends,
    body_len: Option<u64>,
) -> Result<EnvironWriter, EnvironError> {
    let capacity = BESIDE + 2 * request.target.len() + request.fields.held();
    let mut environ = EnvironWriter::with_capacity(capacity.min(64 * 1024));
    environ.set(b"REQUEST_METHOD", &request.method)?;
    environ.set(b"SCRIPT_NAME", b"")?;
    environ.set(b"PATH_INFO", request.path.bytes())?;
    environ.set(b"QUERY_STRING", request.query())?;
    environ.set(b"RAW_URI", &request.target)?;
    environ.set(b"REQUEST_URI", &request.target)?;
    environ.set(b"SERVER_PROTOCOL", request.version.name().as_bytes())?;
    environ.set(b"wsgi.url_scheme", request.scheme.name().as_bytes())?;
    write_server(&mut environ, request, ends)?;
    write_client(&mut environ, request)?;
    if let Some(len) = body_len {
        environ.set(b"CONTENT_LENGTH", Decimal::new(len).as_bytes())?;
    }
    write_fields(&mut environ, request)?;
    Ok(environ)
}

/// From the Host field; without one from the socket.
fn write_server(
    environ: &mut EnvironWriter,
    request: &Request,
    ends: &Ends,
) -> Result<(), EnvironError> {
    let mut text = AddressText::default();
    let (name, port) = match (request.host(), ends.local) {
        (Some(host), _) => (host, request.scheme.port()),
        (None, Some(local)) => (text.write(local.ip().to_canonical()), local.port()),
        (None, None) => (&b"localhost"[..], request.scheme.port()),
    };
    environ.set(b"SERVER_NAME", name)?;
    match request.written_port() {
        Some(port) => environ.set(b"SERVER_PORT", port),
        None => environ.set(b"SERVER_PORT", Decimal::new(port.into()).as_bytes()),
    }
}

/// Empty for somebody on a Unix socket, as other servers have it.
fn write_client(environ: &mut EnvironWriter, request: &Request) -> Result<(), EnvironError> {
    let mut text = AddressText::default();
    let address = request.client.map_or(&b""[..], |ip| text.write(ip));
    environ.set(b"REMOTE_ADDR", address)?;
    if let Some(port) = request.client_port {
        environ.set(b"REMOTE_PORT", Decimal::new(port.into()).as_bytes())?;
    }
    Ok(())
}

fn write_fields(environ: &mut EnvironWriter, request: &Request) -> Result<(), EnvironError> {
    let repeats = may_repeat(request);
    let mut joined = Vec::new();
    for (at, (name, value)) in request.fields.iter().enumerate() {
        if !repeats {
            set_field(environ, name, value)?;
            continue;
        }
        let same = |(other, _): &(&[u8], &[u8])| other.eq_ignore_ascii_case(name);
        if request.fields.iter().take(at).any(|field| same(&field)) {
            continue;
        }
        let separator: &[u8] = if name.eq_ignore_ascii_case(b"cookie") {
            b"; "
        } else {
            b","
        };
        joined.clear();
        joined.extend_from_slice(value);
        for (_, more) in request.fields.iter().skip(at + 1).filter(same) {
            joined.extend_from_slice(separator);
            joined.extend_from_slice(more);
        }
        set_field(environ, name, &joined)?;
    }
    Ok(())
}

fn set_field(environ: &mut EnvironWriter, name: &[u8], value: &[u8]) -> Result<(), EnvironError> {
    if name.eq_ignore_ascii_case(b"content-type") {
        environ.set(b"CONTENT_TYPE", value)
    } else {
        environ.set_header(name, value)
    }
}

/// Whether a name may be there twice: a small Bloom filter of lengths and letters that never misses
/// one, so that the usual request is not compared name by name.
fn may_repeat(request: &Request) -> bool {
    let mut seen = [0_u64; 4];
    request.fields.iter().any(|(name, _)| {
        let letter = |at: usize| usize::from(name.get(at).map_or(0, u8::to_ascii_lowercase));
        let hash = name.len() * 31
            + letter(0) * 7
            + letter(name.len() / 2) * 13
            + letter(name.len() - 1) * 3;
        let (word, bit) = (hash / 64 % 4, 1 << (hash % 64));
        let known = seen[word] & bit != 0;
        seen[word] |= bit;
        known
    })
}

/// A number's digits, without an allocation.
pub(crate) struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    pub(crate) fn new(mut number: u64) -> Self {
        let mut decimal = Self {
            digits: [b'0'; 20],
            start: 20,
        };
        loop {
            decimal.start -= 1;
            decimal.digits[decimal.start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return decimal;
            }
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

#[cfg(test)]
#[path = "environ/tests.rs"]
mod tests;
