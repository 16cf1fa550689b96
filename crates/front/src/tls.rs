//! TLS: what all connections share. `store` knows which certificate goes with which name, `challenges`
//! what certificate authorities ask for, `session` is one connection's part.
//!
//! One configuration serves all sites, so that the certificates can change without touching it. Tickets are
//! encrypted with keys that rotate by themselves, and hold the name for which they were given: a session that
//! began with one site's name is never resumed under another (RFC 6066, 3; rustls compares the names).

mod challenges;
mod packed;
pub(crate) mod session;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

pub use challenges::Challenges;
pub(crate) use challenges::is_below as is_challenge;
pub use packed::PackedKeys;
pub use store::{Certificate, CertificateError, Certificates};

/// Spoken after a handshake that was a certificate authority's question (RFC 8737).
const ACME: &[u8] = b"acme-tls/1";

/// What a handshake agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    /// Nothing is spoken: the handshake itself was the question.
    Acme,
}

/// Which protocols are offered, the most wanted first.
const PROTOCOLS: [(&[u8], Protocol); 3] = [
    (b"h2", Protocol::Http2),
    (b"http/1.1", Protocol::Http1),
    (ACME, Protocol::Acme),
];

impl Protocol {
    /// A client that names no protocol means HTTP/1.1.
    pub(crate) fn of(negotiated: Option<&[u8]>) -> Self {
        let known = PROTOCOLS.iter().find(|(name, _)| Some(*name) == negotiated);
        known.map_or(Self::Http1, |(_, protocol)| *protocol)
    }
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) keyring: Arc<Keyring>,
    /// Where visitors find HTTPS; 0: nowhere.
    port: AtomicU16,
}

/// What may change while connections come: certificates, and what their authorities ask for.
#[derive(Debug, Default)]
pub struct Keyring {
    certificates: ArcSwap<Certificates>,
    challenges: ArcSwap<Challenges>,
    /// Told of each change.
    changes: watch::Sender<()>,
}

impl Keyring {
    /// Lets handshakes that begin from now on find these certificates. Without any, they are refused.
    pub fn set_certificates(&self, certificates: Certificates) {
        self.certificates.store(Arc::new(certificates));
        self.changes.send_replace(());
    }

    /// The certificates that handshakes find now.
    #[must_use]
    pub fn certificates(&self) -> Arc<Certificates> {
        self.certificates.load_full()
    }

    /// What certificate authorities find from now on.
    pub fn set_challenges(&self, challenges: Challenges) {
        self.challenges.store(Arc::new(challenges));
        self.changes.send_replace(());
    }
}

impl Tls {
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        let keyring = Arc::<Keyring>::default();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&keyring) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = PROTOCOLS.iter().map(|(name, _)| name.to_vec()).collect();
        // Tickets alone: nothing is kept here for clients that may never come back.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Self {
            config: Arc::new(config),
            keyring,
            port: AtomicU16::new(0),
        })
    }

    /// Visitors can come over HTTPS on this port. Of several, 443 is the one that need not be written.
    pub(crate) fn set_port(&self, port: u16) {
        if self.port().is_none() || port == 443 {
            self.port.store(port, Ordering::Relaxed);
        }
    }

    pub(crate) fn port(&self) -> Option<u16> {
        Some(self.port.load(Ordering::Relaxed)).filter(|port| *port != 0)
    }

    /// Whether a handshake with this name would be answered with a certificate of that name.
    pub(crate) fn knows(&self, host: &[u8]) -> bool {
        self.keyring.certificates.load().has(host)
    }

    /// What a certificate authority shall find at a path.
    pub(crate) fn challenge(&self, path: &[u8]) -> Option<bytes::Bytes> {
        challenges::token(path).and_then(|token| self.keyring.challenges.load().answer(token))
    }
}

impl ResolvesServerCert for Keyring {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        // A certificate authority asks for this protocol and no other.
        let asks = hello
            .alpn()
            .is_some_and(|mut names| names.next() == Some(ACME) && names.next().is_none());
        if asks {
            return self.challenges.load().certificate(name?);
        }
        self.certificates.load().find(name.map(str::as_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_names_no_protocol_means_http_1() {
        assert_eq!(Protocol::of(None), Protocol::Http1);
        assert_eq!(Protocol::of(Some(b"http/1.1")), Protocol::Http1);
        assert_eq!(Protocol::of(Some(b"h2")), Protocol::Http2);
        assert_eq!(Protocol::of(Some(ACME)), Protocol::Acme);
    }
}
