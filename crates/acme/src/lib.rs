//! Certificates from authorities, by ACME (RFC 8555), kept and renewed. Knows no listener: what an authority is
//! to find, and each new certificate, is handed to whoever asked.
//!
//! Two sides, which are two processes. The supervisor's: `schedule` decides when (pure), `store` keeps accounts and
//! certificates, `office` makes keys and sends clerks, `keeper` is the loop of the three. The clerk's: `order` talks to
//! an authority, `wire` carries what is said. Between them `errand`, and `trouble` that goes from one to the other. What
//! starts a process, and holds it, is the caller's.

mod errand;
mod expiry;
mod keeper;
mod office;
mod order;
mod schedule;
mod store;
mod trouble;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub use errand::{Errand, Outcome, Proof, Word};
pub use keeper::keep;
pub use office::{Dispatch, Hear, Office};
pub use order::Clerk;
pub use store::stored;
pub use trouble::Trouble;

/// Bytes of a chain, which are a few thousand.
const LONGEST_CHAIN: usize = 48 << 10;

/// Until when the first certificate of a chain (PEM) is valid.
#[must_use]
pub fn valid_until(chain: &str) -> Option<SystemTime> {
    Some(expiry::Leaf::read(chain)?.validity.until)
}

/// What one site wants.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Names the files in `folder`.
    pub site: String,
    /// Without wildcards, in lower case.
    pub names: Vec<String>,
    /// Where accounts and certificates are kept.
    pub folder: PathBuf,
    /// URLs of directories: asked in this order until one gives a certificate.
    pub directories: Vec<String>,
    /// Certificates (PEM) to believe a private authority by.
    pub ca: Option<PathBuf>,
    pub email: Option<String>,
    pub external_account: Option<ExternalAccount>,
    pub challenge: Challenge,
}

/// An account that the authority knows from elsewhere (RFC 8555, 7.3.4).
#[derive(Clone)]
pub struct ExternalAccount {
    pub key_id: String,
    /// In Base64, either alphabet.
    pub hmac: String,
}

impl std::fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExternalAccount")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// How the authority sees that a name is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Challenge {
    /// A text on port 80 (RFC 8555, 8.3).
    Http01,
    /// A handshake on port 443 (RFC 8737).
    TlsAlpn01,
}

/// A chain and its key, PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    pub chain: String,
    pub key: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").finish_non_exhaustive()
    }
}

/// What is to be shown from now on. It is in effect when the call returns.
#[derive(Clone, Debug)]
pub enum Show {
    /// Below `/.well-known/acme-challenge/`.
    Text { token: String, text: String },
    /// To handshakes that ask for `acme-tls/1`.
    Handshake { name: String, answer: Issued },
    /// None of the above any more.
    NoChallenge,
    /// To visitors.
    Certificate(Issued),
}

/// Whoever shows it.
pub type Shower = Arc<dyn Fn(Show) + Send + Sync>;
