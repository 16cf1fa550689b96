//! `[https]` as the rest of Hotclub sees it.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::defaults;

/// Where certificates come from, and what HTTPS means for visitors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Https {
    pub certificates: CertificateSource,
    /// HTTP is answered with the way to HTTPS, when there is an https listener.
    pub redirect: bool,
    /// Strict-Transport-Security: how long browsers shall use nothing but HTTPS.
    pub hsts: Option<Duration>,
    /// Of those who get certificates.
    #[serde(skip)]
    pub acme: Acme,
}

/// Who makes the certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateSource {
    /// Certificate authorities, by ACME.
    Acme,
    /// Somebody else, who leaves them in files (PEM).
    Own { certificate: PathBuf, key: PathBuf },
    /// The local authority of `hotclub trust`.
    Local,
}

/// `[https.acme]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Acme {
    /// Whom the authority may write to.
    pub email: Option<String>,
    /// URLs of directories (RFC 8555, 7.1.1), never none: asked one after another until one gives a certificate.
    pub directories: Vec<String>,
    pub external_account: Option<ExternalAccount>,
    pub challenge: ChallengeKind,
    /// Certificates (PEM) to believe a private authority by.
    pub ca: Option<PathBuf>,
}

/// An account that the authority knows from elsewhere (RFC 8555, 7.3.4).
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalAccount {
    pub key_id: String,
    pub hmac: HmacSource,
}

/// Where its key is, in Base64.
#[derive(Debug, Clone, PartialEq)]
pub enum HmacSource {
    File(PathBuf),
    /// A variable of our own environment.
    Variable(String),
}

/// How the authority sees that a name is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeKind {
    /// A text on port 80.
    Http01,
    /// A handshake on port 443.
    TlsAlpn01,
}

impl Default for Https {
    fn default() -> Self {
        Self {
            certificates: CertificateSource::Acme,
            redirect: defaults::HTTPS_REDIRECT,
            hsts: None,
            acme: Acme::default(),
        }
    }
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            email: None,
            directories: vec![defaults::ACME_DIRECTORY.to_owned()],
            external_account: None,
            challenge: ChallengeKind::Http01,
            ca: None,
        }
    }
}
