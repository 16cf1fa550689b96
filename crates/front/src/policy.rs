//! The header policy: which fields of a request go on to an app, and what is said about the client.
//! The same for every version of HTTP.
//!
//! 1. Names with `_` are dropped: behind CGI names nobody could tell `X_Forwarded_For` from
//!    `X-Forwarded-For`.
//! 2. Hop-by-hop fields, and those that `Connection` names, are dropped (RFC 9110, 7.6.1).
//! 3. `Proxy` is dropped (it would become `HTTP_PROXY`), and so is `Forwarded`, which is not spoken here.
//! 4. What tells about the client is believed from trusted proxies only.
//! 5. Then ours are added, so that nothing the peer sent can remove or double them.

use crate::host;
use crate::message::Fields;
use crate::request::{Ends, Request, Scheme};
use crate::request_id::RequestId;
use crate::trust::TrustedProxies;

/// More names than this in `Connection` is an attack on the one who compares them.
const MAX_OPTIONS: usize = 32;

/// Why a request's fields are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PolicyError {
    #[error("Connection names too many fields")]
    ConnectionOptions,
}

/// What the policy knows beside the fields.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) ends: &'a Ends,
    pub(crate) trusted: &'a TrustedProxies,
    /// Used unless a trusted proxy gave one.
    pub(crate) id: RequestId,
}

/// What happens to a field, by its name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Keep,
    Drop,
    /// Told by proxies; kept from trusted ones.
    Told,
    /// Told by proxies; read from trusted ones, and always written anew.
    Rewritten,
}

/// Fills in `request`'s fields, client, scheme and id. Its authority is already there.
///
/// # Errors
/// See [`PolicyError`].
pub(crate) fn apply<'f>(
    fields: impl DoubleEndedIterator<Item = (&'f [u8], &'f [u8])> + Clone,
    context: &Context<'_>,
    request: &mut Request,
) -> Result<(), PolicyError> {
    let trusted = context.trusted.trusts(context.ends.peer_ip());
    let dropped = connection_options(fields.clone())?;
    if !request.authority.is_empty() {
        request.fields.push(b"Host", &request.authority);
    }
    for (name, value) in fields.clone() {
        let keep = match fate(name) {
            Fate::Keep => !dropped.iter().any(|d| d.eq_ignore_ascii_case(name)),
            Fate::Told => trusted,
            Fate::Drop | Fate::Rewritten => false,
        };
        if keep {
            request.fields.push(name, value);
        }
    }
    let told = Told {
        fields: fields.filter(|_| trusted),
    };
    told.write(context, request);
    Ok(())
}

/// Whether a field of an app's or upstream's response may go on to the client.
pub(crate) fn response_field_passes(name: &[u8]) -> bool {
    !is_hop_by_hop(name)
}

/// The names in `Connection` that are not plain options.
pub(crate) fn connection_options<'f>(
    fields: impl Iterator<Item = (&'f [u8], &'f [u8])>,
) -> Result<Vec<&'f [u8]>, PolicyError> {
    // An empty Vec is no allocation, and nearly all stay empty.
    let mut names = Vec::new();
    for option in fields
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"connection"))
        .flat_map(|(_, value)| value.split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
    {
        let plain = [&b"close"[..], b"keep-alive", b""]
            .iter()
            .any(|p| option.eq_ignore_ascii_case(p));
        if !plain {
            names.push(option);
        }
        if names.len() > MAX_OPTIONS {
            return Err(PolicyError::ConnectionOptions);
        }
    }
    Ok(names)
}

fn fate(name: &[u8]) -> Fate {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    if memchr::memchr(b'_', name).is_some() || is_hop_by_hop(name) {
        return Fate::Drop;
    }
    match name.len() {
        // Host and Content-Length come from the checked authority and the complete body.
        4 if is(b"host") => Fate::Drop,
        5 if is(b"proxy") => Fate::Drop,
        6 if is(b"expect") => Fate::Drop,
        9 if is(b"forwarded") => Fate::Drop,
        9 if is(b"x-real-ip") => Fate::Rewritten,
        12 if is(b"x-request-id") => Fate::Rewritten,
        14 if is(b"content-length") => Fate::Drop,
        15 if is(b"x-forwarded-for") => Fate::Rewritten,
        16 if is(b"x-forwarded-host") => Fate::Rewritten,
        17 if is(b"x-forwarded-proto") => Fate::Rewritten,
        len if len > 11 && name[..12.min(len)].eq_ignore_ascii_case(b"x-forwarded-") => Fate::Told,
        _ => Fate::Keep,
    }
}

fn is_hop_by_hop(name: &[u8]) -> bool {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    match name.len() {
        2 => is(b"te"),
        7 => is(b"trailer") || is(b"upgrade"),
        10 => is(b"connection") || is(b"keep-alive"),
        16 => is(b"proxy-connection"),
        17 => is(b"transfer-encoding"),
        18 => is(b"proxy-authenticate"),
        19 => is(b"proxy-authorization"),
        _ => false,
    }
}

/// What a trusted proxy told; nothing when the peer is not trusted.
struct Told<I> {
    fields: I,
}

impl<'f, I: DoubleEndedIterator<Item = (&'f [u8], &'f [u8])> + Clone> Told<I> {
    fn all(&self, name: &'static [u8]) -> impl DoubleEndedIterator<Item = &'f [u8]> + use<'f, I> {
        self.fields
            .clone()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The word of the nearest proxy.
    fn last(&self, name: &'static [u8]) -> Option<&'f [u8]> {
        let line = self.all(name).next_back()?;
        line.rsplit(|b| *b == b',').next().map(<[u8]>::trim_ascii)
    }

    fn write(&self, context: &Context<'_>, request: &mut Request) {
        let peer = context.ends.peer_ip();
        let client = context.trusted.client(self.all(b"x-forwarded-for"));
        request.client = client.or(peer);
        request.client_port = match client {
            Some(_) => None,
            None => context.ends.peer.map(|peer| peer.port()),
        };
        request.scheme = self.scheme().unwrap_or(context.ends.scheme);
        request.id = self
            .last(b"x-request-id")
            .and_then(RequestId::accept)
            .unwrap_or(context.id);
        self.write_forwarded_for(peer, &mut request.fields);
        let scheme = request.scheme.name().as_bytes();
        request.fields.push(b"X-Forwarded-Proto", scheme);
        let host = self
            .last(b"x-forwarded-host")
            .filter(|host| host::parse(host).is_ok())
            .unwrap_or(&request.authority);
        if !host.is_empty() {
            request.fields.push(b"X-Forwarded-Host", host);
        }
        if let Some(client) = request.client {
            let mut text = AddressText::default();
            request.fields.push(b"X-Real-IP", text.write(client));
        }
        request.fields.push(b"X-Request-ID", request.id.as_bytes());
    }

    fn scheme(&self) -> Option<Scheme> {
        let told = self.last(b"x-forwarded-proto")?;
        [Scheme::Http, Scheme::Https]
            .into_iter()
            .find(|scheme| told.eq_ignore_ascii_case(scheme.name().as_bytes()))
    }

    /// What came, then the peer.
    fn write_forwarded_for(&self, peer: Option<std::net::IpAddr>, fields: &mut Fields) {
        let mut text = AddressText::default();
        let peer = peer.map(|peer| text.write(peer));
        let before: Vec<&[u8]> = self.all(b"x-forwarded-for").collect();
        match (before.is_empty(), peer) {
            (true, None) => {}
            (true, Some(peer)) => fields.push(b"X-Forwarded-For", peer),
            (false, peer) => {
                let all: Vec<&[u8]> = before.into_iter().chain(peer).collect();
                fields.push(b"X-Forwarded-For", &all.join(&b", "[..]));
            }
        }
    }
}

/// An address as text, without an allocation.
#[derive(Debug)]
pub(crate) struct AddressText {
    bytes: [u8; 48],
    len: usize,
}

impl Default for AddressText {
    fn default() -> Self {
        Self {
            bytes: [0; 48],
            len: 0,
        }
    }
}

impl AddressText {
    pub(crate) fn write(&mut self, address: std::net::IpAddr) -> &[u8] {
        use std::io::Write as _;
        let mut rest = &mut self.bytes[..];
        // 48 bytes hold every address.
        let _ = write!(rest, "{address}");
        self.len = 48 - rest.len();
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
#[path = "policy/tests.rs"]
mod tests;
