//! Certificates with their keys, by name: immutable, behind one pointer.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};

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
pub struct Certificate {
    key: Arc<CertifiedKey>,
    /// What it was read from, for another process.
    source: Arc<Source>,
}

/// Chain and key in DER.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    chain: Vec<Vec<u8>>,
    key: Vec<u8>,
    /// It answers a certificate authority.
    is_proof: bool,
}

impl fmt::Debug for Source {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

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
        let source = Source::of(&chain, key, false);
        let key = aws_lc_rs::sign::any_supported_type(key)
            .map_err(|error| CertificateError::Key(error.to_string()))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) => Ok(Self::new(certified, source)),
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(Self::new(certified, source))
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(CertificateError::Mismatch),
            Err(error) => Err(CertificateError::Certificate(error.to_string())),
        }
    }

    /// The answer to a certificate authority's handshake: its proof is in an extension that is critical and
    /// that no check of certificates knows (RFC 8737, 3), so nothing is checked.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn of_challenge(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| CertificateError::Certificate(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
        Self::proof(chain, &key)
    }

    fn proof(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'static>,
    ) -> Result<Self, CertificateError> {
        let source = Source::of(&chain, key, true);
        let key = aws_lc_rs::sign::any_supported_type(key)
            .map_err(|error| CertificateError::Key(error.to_string()))?;
        Ok(Self::new(CertifiedKey::new(chain, key), source))
    }

    fn new(key: CertifiedKey, source: Source) -> Self {
        Self {
            key: Arc::new(key),
            source: Arc::new(source),
        }
    }

    pub(super) fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }
}

impl Source {
    fn of(chain: &[CertificateDer<'static>], key: &PrivateKeyDer<'static>, is_proof: bool) -> Self {
        Self {
            chain: chain.iter().map(|one| one.to_vec()).collect(),
            key: key.secret_der().to_vec(),
            is_proof,
        }
    }

    pub(super) fn read(&self) -> Result<Certificate, CertificateError> {
        let chain = self.chain.iter().cloned().map(CertificateDer::from);
        let chain = chain.collect();
        let key = PrivateKeyDer::try_from(self.key.clone()).map_err(|_| CertificateError::NoKey)?;
        match self.is_proof {
            true => Certificate::proof(chain, &key),
            false => Certificate::from_der(chain, &key),
        }
    }
}

/// All certificates of a front.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    by_name: HostMap<Certificate>,
    fallback: Option<Certificate>,
}

impl Certificates {
    /// This certificate answers for `host`: a name, or `*.` and a name.
    pub fn insert(&mut self, host: &str, certificate: &Certificate) {
        self.by_name.insert(host, certificate.clone());
    }

    /// This certificate answers every other name, and clients that send none.
    pub fn set_fallback(&mut self, certificate: &Certificate) {
        self.fallback = Some(certificate.clone());
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
            .map(Certificate::key)
    }

    /// Every name with its certificate, and that of all other names.
    pub(super) fn all(
        &self,
    ) -> (
        impl Iterator<Item = (String, &Certificate)>,
        Option<&Certificate>,
    ) {
        (self.by_name.iter(), self.fallback.as_ref())
    }

    /// Without names, the fallback is for all of them.
    pub(super) fn has(&self, host: &[u8]) -> bool {
        self.by_name.get(host).is_some() || (self.by_name.is_empty() && self.fallback.is_some())
    }
}
