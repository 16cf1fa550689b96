//! What a clerk is sent to an authority with, and what it may say. Whoever sends a clerk believes it as little as it
//! believes the authority: a clerk reads what comes from the network, and sees no file and no key but the account's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Challenge, Trouble};

/// One matter with one authority.
#[derive(Serialize, Deserialize)]
pub struct Errand {
    /// The URL of its directory.
    pub(crate) directory: String,
    /// Certificates (PEM) to believe it by, in the place of those that this machine believes.
    pub(crate) ca: Option<String>,
    pub(crate) account: Account,
    pub(crate) matter: Matter,
}

impl std::fmt::Debug for Errand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Errand")
            .field("directory", &self.directory)
            .field("matter", &self.matter)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Account {
    /// As it is kept: JSON with its key.
    Kept(String),
    New {
        email: Option<String>,
        /// An account that the authority knows from elsewhere: its id and key.
        external: Option<(String, Vec<u8>)>,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Matter {
    Order(Wanted),
    /// When the authority wants this one to be renewed (RFC 9773, 4.1).
    Renewal {
        authority: String,
        serial: String,
    },
}

/// A certificate for these names, by a request (DER) that whoever has the key has signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) names: Vec<String>,
    pub(crate) request: Vec<u8>,
    pub(crate) challenge: Challenge,
}

/// What a clerk says. It waits until each word but the last is heard.
#[derive(Debug, Serialize, Deserialize)]
pub enum Word {
    /// The new account, to be kept (JSON).
    Account(String),
    /// What the authority is to find from now on.
    Proof(Proof),
    /// The last word.
    Done(Outcome),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof {
    /// Below `/.well-known/acme-challenge/`.
    Text { token: String, text: String },
    /// In a handshake that asks for `acme-tls/1` (RFC 8737, 3).
    Handshake { name: String, digest: [u8; 32] },
}

/// What became of a matter.
#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// The chain, PEM.
    Certificate(String),
    /// From when to when it is to be renewed, since 1970.
    Window(Duration, Duration),
    Trouble(Trouble),
}
