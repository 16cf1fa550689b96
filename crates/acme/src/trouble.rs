//! Why there is no new certificate, and what to do about it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long an authority may look at proofs, and again at the request.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The longest window in which authorities count orders.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(7 * 86_400);
/// Characters of what an authority says of a failure.
const LONGEST_TEXT: usize = 600;

#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
pub enum Trouble {
    #[error("{authority} cannot be asked: {cause}")]
    Unreachable { authority: String, cause: String },
    #[error("{authority} refuses: {cause}")]
    Refused {
        authority: String,
        cause: String,
        rate_limited: bool,
        /// When it wants to be asked again, if it says so.
        retry_after: Option<Duration>,
    },
    #[error("{authority} refused one nonce after another")]
    Nonce { authority: String },
    #[error("{authority} did not find the proof for {name}: {cause}")]
    Unproven {
        authority: String,
        name: String,
        cause: String,
    },
    #[error("{authority} took longer than {0:?}", PATIENCE)]
    Slow { authority: String },
    #[error("what {authority} gave cannot be used: {cause}")]
    Unusable { authority: String, cause: String },
    #[error("the key of the external account is no Base64")]
    ExternalKey,
    #[error("the account or the certificate cannot be kept: {0}")]
    State(String),
    #[error("no certificate can be asked for: {0}")]
    Request(String),
    #[error("the process that asks authorities failed: {0}")]
    Clerk(String),
}

impl Trouble {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } | Self::Slow { .. } => {
                "it is tried again; is the network up, and does this machine trust the authority's own certificate?"
            }
            Self::Refused {
                rate_limited: true, ..
            } => {
                "it is tried again in an hour or later; use staging = true while you try things out"
            }
            Self::Nonce { .. } => "it is tried again; a proxy between may keep what it must not",
            Self::Refused { .. } => "the authority's words say what it wants; it is tried again",
            Self::Unproven { .. } => {
                "the name's A and AAAA records must lead to this machine, and ports 80 (http-01) and 443 (tls-alpn-01) \
                 must be reachable from the internet; it is tried again"
            }
            Self::Unusable { .. } => "it is tried again; is this the directory that you mean?",
            Self::ExternalKey => "copy it once more from the authority's page",
            Self::State(_) => "see to the state folder's disk and its owner",
            Self::Request(_) => "see to the site's hosts",
            Self::Clerk(_) => "it is tried again; the lines above say more",
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(crate) fn is_rate_limited(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                rate_limited: true,
                ..
            }
        )
    }
}

/// As it may be said to people: a clerk's words, and an authority's in them, have an end and move no cursor. The
/// authority is called as we call it.
pub(crate) fn tidied(trouble: Trouble, directory: &str) -> Trouble {
    let authority = name_of(directory);
    match trouble {
        Trouble::Unreachable { cause, .. } => Trouble::Unreachable {
            cause: plain(&cause),
            authority,
        },
        Trouble::Refused {
            cause,
            rate_limited,
            retry_after,
            ..
        } => Trouble::Refused {
            cause: plain(&cause),
            rate_limited,
            retry_after: retry_after.map(|wait| wait.min(LONGEST_WAIT)),
            authority,
        },
        Trouble::Nonce { .. } => Trouble::Nonce { authority },
        Trouble::Unproven { name, cause, .. } => Trouble::Unproven {
            name: plain(&name),
            cause: plain(&cause),
            authority,
        },
        Trouble::Slow { .. } => Trouble::Slow { authority },
        Trouble::Unusable { cause, .. } => Trouble::Unusable {
            cause: plain(&cause),
            authority,
        },
        Trouble::ExternalKey => Trouble::ExternalKey,
        Trouble::State(cause) => Trouble::State(plain(&cause)),
        Trouble::Request(cause) => Trouble::Request(plain(&cause)),
        Trouble::Clerk(cause) => Trouble::Clerk(plain(&cause)),
    }
}

fn plain(text: &str) -> String {
    let text = text.chars().take(LONGEST_TEXT);
    let text = text.map(|c| if c.is_control() { ' ' } else { c });
    text.collect()
}

/// How a message calls an authority.
pub(crate) fn name_of(directory: &str) -> String {
    let host = directory.split('/').nth(2);
    host.unwrap_or(directory).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_clerk_says_is_short_and_plain_and_of_the_authority_that_was_asked() {
        let said = Trouble::Refused {
            authority: "bank.example".to_owned(),
            cause: format!("no\n\u{1b}[2J{}", "x".repeat(5000)),
            rate_limited: true,
            retry_after: Some(Duration::MAX),
        };
        let told = tidied(said, "https://acme.example/dir");
        assert_eq!(told.retry_after(), Some(LONGEST_WAIT));
        let text = told.to_string();
        assert!(text.starts_with("acme.example refuses: no  [2Jx"), "{text}");
        assert!(text.len() < 700 && !text.contains(char::is_control));
    }
}
