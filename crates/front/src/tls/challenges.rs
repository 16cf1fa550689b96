//! What certificate authorities ask for to see that a name is ours: a text at a path (RFC 8555, 8.3), or a
//! certificate in a handshake (RFC 8737). Usually there is nothing here.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use rustls::sign::CertifiedKey;

use super::store::Certificate;

/// Below this path, tokens; served over plain HTTP, and never redirected.
const PATH: &[u8] = b"/.well-known/acme-challenge/";

/// Answers that wait for their question.
#[derive(Clone, Debug, Default)]
pub struct Challenges {
    texts: HashMap<Vec<u8>, Bytes>,
    certificates: HashMap<String, Certificate>,
}

impl Challenges {
    /// `text` is found below `/.well-known/acme-challenge/` under `token`.
    pub fn add_text(&mut self, token: &str, text: String) {
        self.texts.insert(token.into(), text.into());
    }

    /// `certificate` answers a handshake for `name` that asks for `acme-tls/1`.
    pub fn add_certificate(&mut self, name: &str, certificate: &Certificate) {
        self.certificates
            .insert(name.to_ascii_lowercase(), certificate.clone());
    }

    /// Adds what others wait for.
    pub fn extend(&mut self, others: &Self) {
        let texts = others.texts.iter();
        self.texts
            .extend(texts.map(|(token, text)| (token.clone(), text.clone())));
        let certificates = others.certificates.iter();
        self.certificates
            .extend(certificates.map(|(name, certificate)| (name.clone(), certificate.clone())));
    }

    /// Every token with its text, and every name with its certificate.
    pub(super) fn all(
        &self,
    ) -> (
        impl Iterator<Item = (&Vec<u8>, &Bytes)>,
        impl Iterator<Item = (&String, &Certificate)>,
    ) {
        (self.texts.iter(), self.certificates.iter())
    }

    pub(super) fn answer(&self, token: &[u8]) -> Option<Bytes> {
        self.texts.get(token).cloned()
    }

    pub(super) fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.certificates.get(name).map(Certificate::key)
    }
}

/// The token in a path.
pub(super) fn token(path: &[u8]) -> Option<&[u8]> {
    path.strip_prefix(PATH)
}

/// Whether only a certificate authority would ask for this.
pub(crate) fn is_below(path: &[u8]) -> bool {
    path.starts_with(PATH)
}
