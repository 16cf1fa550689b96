//! The PROXY protocol, versions 1 and 2 (HAProxy's `proxy-protocol.txt`): what a proxy that passes on bytes
//! and not requests says first, so that we know whose they are.
//!
//! Only where it was asked for, and only from trusted proxies: then every connection must begin so, and
//! who does not is closed, for nobody could tell such a header from a forged one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::addresses::Guest;
use crate::request::Ends;
use crate::socket::Socket;
use crate::thread::Thread;

/// Of version 1, its end included.
const LINE_MAX: usize = 107;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Of version 2, before the addresses.
const FIXED: usize = 16;
/// Of version 2, with everything behind the addresses. Certificates' names are there; more is nobody's.
const HEADER_MAX: usize = 4096;
/// Of version 2, what must be seen: the addresses of IPv6.
const SEEN: usize = FIXED + 36;

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderError {
    #[error("it is not from a trusted proxy")]
    Stranger,
    #[error("it ended, or took too long, before its PROXY header was complete")]
    Missing,
    #[error("it does not begin with a PROXY header")]
    Absent,
    #[error("its PROXY header is malformed")]
    Malformed,
    #[error("the address that its PROXY header names has too many connections")]
    Crowded,
}

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes, of which the parser may not have seen the last ones.
    pub(crate) len: usize,
    /// From whom to where; `None`: the proxy speaks for itself, or does not know.
    pub(crate) told: Option<(SocketAddr, SocketAddr)>,
}

/// Takes the header off a connection and puts what it tells into `ends`. Returns the client's place among
/// its address's connections.
///
/// # Errors
/// See [`HeaderError`]; the connection is of no use then.
pub(crate) async fn take(
    thread: &Thread,
    socket: &Socket,
    ends: &mut Ends,
) -> Result<Guest, HeaderError> {
    let trusted = &thread.shared.trusted;
    if !trusted.trusts(ends.peer_ip()) {
        return Err(HeaderError::Stranger);
    }
    let header = peek(socket).await?;
    let taken = socket.skip(header.len).await;
    taken.map_err(|_| HeaderError::Missing)?;
    let Some((client, reached)) = header.told else {
        return Ok(Guest::default());
    };
    ends.peer = Some(client);
    ends.local = Some(reached);
    let addresses = &thread.shared.addresses;
    addresses
        .admit(ends.peer_ip(), trusted)
        .ok_or(HeaderError::Crowded)
}

/// Looks at what comes without taking it: what follows may be TLS, and is somebody else's to read.
async fn peek(socket: &Socket) -> Result<Header, HeaderError> {
    let mut bytes = [0; LINE_MAX];
    let mut seen = 0;
    loop {
        let more = socket.peek(&mut bytes, seen).await;
        seen = more.map_err(|_| HeaderError::Missing)?;
        if let Some(header) = parse(&bytes[..seen])? {
            return Ok(header);
        }
    }
}

/// Reads a header at the beginning of `bytes`; `None`: some of it is missing.
///
/// # Errors
/// As soon as it cannot become one.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    let begins = |signature: &[u8]| {
        let len = bytes.len().min(signature.len());
        bytes[..len] == signature[..len]
    };
    if begins(b"PROXY ") {
        parse_line(bytes)
    } else if begins(SIGNATURE) {
        parse_binary(bytes)
    } else {
        Err(HeaderError::Absent)
    }
}

/// Version 1: a line of text.
fn parse_line(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    let within = &bytes[..bytes.len().min(LINE_MAX)];
    let Some(end) = memchr::memchr(b'\n', within) else {
        return match bytes.len() >= LINE_MAX {
            true => Err(HeaderError::Malformed),
            false => Ok(None),
        };
    };
    let line = within[..end].strip_suffix(b"\r");
    let line = line.and_then(|line| std::str::from_utf8(line).ok());
    let mut words = line.ok_or(HeaderError::Malformed)?.split(' ');
    let (_, kind) = (words.next(), words.next());
    let told = match kind {
        // Whatever follows is to be ignored.
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(ends::<Ipv4Addr>(words)?),
        Some("TCP6") => Some(ends::<Ipv6Addr>(words)?),
        _ => return Err(HeaderError::Malformed),
    };
    Ok(Some(Header { len: end + 1, told }))
}

/// Source, destination, and their ports.
fn ends<'l, A: FromStr + Into<IpAddr>>(
    mut words: impl Iterator<Item = &'l str>,
) -> Result<(SocketAddr, SocketAddr), HeaderError> {
    let mut word = || words.next().ok_or(HeaderError::Malformed);
    let (source, destination) = (address::<A>(word()?)?, address::<A>(word()?)?);
    let (from, to) = (port(word()?)?, port(word()?)?);
    match words.next() {
        None => Ok((
            SocketAddr::new(source, from),
            SocketAddr::new(destination, to),
        )),
        Some(_) => Err(HeaderError::Malformed),
    }
}

fn address<A: FromStr + Into<IpAddr>>(word: &str) -> Result<IpAddr, HeaderError> {
    word.parse::<A>()
        .map(Into::into)
        .map_err(|_| HeaderError::Malformed)
}

/// Digits without a sign or a leading zero.
fn port(word: &str) -> Result<u16, HeaderError> {
    let plain = word.bytes().all(|byte| byte.is_ascii_digit());
    let padded = word.len() > 1 && word.starts_with('0');
    let number = word.parse().ok().filter(|_| plain && !padded);
    number.ok_or(HeaderError::Malformed)
}

/// Version 2: a fixed part, addresses, and fields of any length that are skipped.
fn parse_binary(bytes: &[u8]) -> Result<Option<Header>, HeaderError> {
    let Some(fixed) = bytes.get(SIGNATURE.len()..FIXED) else {
        return Ok(None);
    };
    let rest = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    let len = FIXED + rest;
    if len > HEADER_MAX {
        return Err(HeaderError::Malformed);
    }
    let addresses = match fixed[1] {
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        // Two paths of Unix sockets tell nothing.
        0x31 => 216,
        // UDP, and what is not defined.
        _ => return Err(HeaderError::Malformed),
    };
    if rest < addresses {
        return Err(HeaderError::Malformed);
    }
    if bytes.len() < len.min(SEEN) {
        return Ok(None);
    }
    let told = match fixed[0] {
        0x20 => None,
        0x21 => binary_ends(&bytes[FIXED..], addresses),
        _ => return Err(HeaderError::Malformed),
    };
    Ok(Some(Header { len, told }))
}

fn binary_ends(bytes: &[u8], len: usize) -> Option<(SocketAddr, SocketAddr)> {
    let port = |at: usize| {
        let digits = bytes.get(at..at + 2)?;
        Some(u16::from_be_bytes([digits[0], digits[1]]))
    };
    let address = |at: usize| -> Option<IpAddr> {
        if len == 12 {
            let bytes: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
            return Some(bytes.into());
        }
        let bytes: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
        Some(bytes.into())
    };
    let width = match len {
        12 => 4,
        36 => 16,
        _ => return None,
    };
    let source = SocketAddr::new(address(0)?, port(2 * width)?);
    let destination = SocketAddr::new(address(width)?, port(2 * width + 2)?);
    Some((source, destination))
}

#[cfg(test)]
#[path = "proxy_header/tests.rs"]
mod tests;
