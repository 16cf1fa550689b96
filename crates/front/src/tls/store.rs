//! Certificates with their keys, by name: immutable, behind one pointer.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::hosts::HostMap;

/// Why a certificate and its key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("there is no certificate in it (PEM, `-----BEGIN CERTIFICATE-----`)")]
    NoCertificate,
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    #[error("there is no private key in it (PEM, without a passphrase)")]
    NoKey,
    #[error("the private key is of a kind that is not supported: {0}")]
    Key(String),
    #[error("the private key belongs to another certificate")]
    Mismatch,
}

/// A chain of certificates and the key of the first of them, ready to sign.
#[derive(Clone, Debug)]
pub struct Certificate(Arc<CertifiedKey>);

impl Certificate {
    /// Reads a chain, the site's own certificate first, and its key, both PEM.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| CertificateError::Certificate(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
        Self::from_der(chain, &key)
    }

    /// The same from what PEM holds.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'static>,
    ) -> Result<Self, CertificateError> {
        if chain.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let key = aws_lc_rs::sign::any_supported_type(key)
            .map_err(|error| CertificateError::Key(error.to_string()))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => Ok(Self(Arc::new(certified))),
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(Self(Arc::new(certified)))
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(CertificateError::Mismatch),
            Err(error) => Err(CertificateError::Certificate(error.to_string())),
        }
    }

    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }
}

/// All certificates of a front.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    by_name: HostMap<Arc<CertifiedKey>>,
    fallback: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    /// This certificate answers for `host`: a name, or `*.` and a name.
    pub fn insert(&mut self, host: &str, certificate: &Certificate) {
        self.by_name.insert(host, certificate.key());
    }

    /// This certificate answers every other name, and clients that send none.
    pub fn set_fallback(&mut self, certificate: &Certificate) {
        self.fallback = Some(certificate.key());
    }

    /// Whether handshakes can be answered at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.fallback.is_none()
    }

    /// `None`: the handshake is refused.
    pub(super) fn find(&self, name: Option<&[u8]>) -> Option<Arc<CertifiedKey>> {
        name.and_then(|name| self.by_name.get(name))
            .or(self.fallback.as_ref())
            .cloned()
    }

    /// Without names, the fallback is for all of them.
    pub(super) fn has(&self, host: &[u8]) -> bool {
        self.by_name.get(host).is_some() || (self.by_name.is_empty() && self.fallback.is_some())
    }
}
