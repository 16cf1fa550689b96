//! One order at one authority: account, order, proofs, certificate. The thin part around the client.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, ExternalAccountKey,
    Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};

use crate::wire::{Later, Wire};
use crate::{Challenge, Issued, Show, Shower, Wish, store};

/// How long an authority may look at proofs, and again at the request.
const PATIENCE: Duration = Duration::from_secs(120);
/// Orders that are begun because of a nonce that was refused, which says nothing of them (RFC 8555, 6.5). The client
/// itself sends each message three times.
const BEGINNINGS: usize = 8;

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
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
    #[error("the key of the external account is no Base64")]
    ExternalKey,
    #[error("the account or the certificate cannot be kept: {0}")]
    State(std::io::Error),
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
            Self::ExternalKey => "copy it once more from the authority's page",
            Self::State(_) => "see to the state folder's disk and its owner",
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

/// A certificate for all names from one authority. What it is shown for that is not taken back here.
pub(crate) async fn obtain(wish: &Wish, directory: &str, show: &Shower) -> Result<Issued, Trouble> {
    let desk = Desk::new(directory, show);
    for _ in 1..BEGINNINGS {
        match attempt(wish, &desk).await {
            Err(Trouble::Nonce { .. }) => tracing::debug!(site = wish.site, "a nonce was refused"),
            outcome => return outcome,
        }
    }
    attempt(wish, &desk).await
}

async fn attempt(wish: &Wish, desk: &Desk<'_>) -> Result<Issued, Trouble> {
    let account = account(wish, desk).await?;
    let names: Vec<_> = wish.names.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account
        .new_order(&NewOrder::new(&names))
        .await
        .map_err(|error| desk.trouble(error))?;
    desk.prove(&mut order, wish.challenge).await?;
    let retries = RetryPolicy::default().timeout(PATIENCE);
    match order.poll_ready(&retries).await {
        Ok(OrderStatus::Ready | OrderStatus::Valid) => {}
        Err(error) if is_nonce(&error) => return Err(desk.trouble(error)),
        Ok(_) | Err(Error::Api(_)) => return Err(desk.unproven(&mut order).await),
        Err(error) => return Err(desk.trouble(error)),
    }
    let key = order
        .finalize()
        .await
        .map_err(|error| desk.trouble(error))?;
    let chain = order
        .poll_certificate(&retries)
        .await
        .map_err(|error| desk.trouble(error))?;
    Ok(Issued { chain, key })
}

/// The account that is kept, or a new one.
pub(crate) async fn account(wish: &Wish, desk: &Desk<'_>) -> Result<Account, Trouble> {
    let file = store::account_file(&wish.folder, desk.directory);
    let builder = || {
        let wire = Wire::new(wish.ca.as_deref(), &desk.later);
        let wire = wire.map_err(|error| desk.trouble(error))?;
        Ok(Account::builder_with_http(Box::new(wire)))
    };
    let kept = std::fs::read(&file).ok();
    let kept = kept.and_then(|text| serde_json::from_slice::<AccountCredentials>(&text).ok());
    if let Some(kept) = kept {
        return builder()?
            .from_credentials(kept)
            .await
            .map_err(|error| desk.trouble(error));
    }
    let contact = wish.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let external = external_key(wish)?;
    let (account, credentials) = builder()?
        .create(&new, desk.directory.to_owned(), external.as_ref())
        .await
        .map_err(|error| desk.trouble(error))?;
    let text = serde_json::to_vec(&credentials).map_err(|error| Trouble::State(error.into()))?;
    store::write(&file, &text).map_err(Trouble::State)?;
    Ok(account)
}

fn external_key(wish: &Wish) -> Result<Option<ExternalAccountKey>, Trouble> {
    let Some(external) = &wish.external_account else {
        return Ok(None);
    };
    let text = external.hmac.trim().trim_end_matches('=');
    let key = BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .or_else(|_| BASE64_STANDARD_NO_PAD.decode(text))
        .map_err(|_| Trouble::ExternalKey)?;
    Ok(Some(ExternalAccountKey::new(external.key_id.clone(), &key)))
}

/// One authority, and where its questions are answered.
pub(crate) struct Desk<'a> {
    pub(crate) directory: &'a str,
    pub(crate) show: &'a Shower,
    later: Later,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(directory: &'a str, show: &'a Shower) -> Self {
        Self {
            directory,
            show,
            later: Later::default(),
        }
    }
}

impl Desk<'_> {
    fn authority(&self) -> String {
        let host = self.directory.split('/').nth(2);
        host.unwrap_or(self.directory).to_owned()
    }

    async fn prove(&self, order: &mut Order, kind: Challenge) -> Result<(), Trouble> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(|error| self.trouble(error))?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let wanted = match kind {
                Challenge::Http01 => ChallengeType::Http01,
                Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
            };
            let mut challenge = authorization.challenge(wanted).ok_or_else(|| {
                let cause = "it does not offer this kind of challenge".to_owned();
                self.refused(cause)
            })?;
            let proof = challenge.key_authorization();
            match kind {
                Challenge::Http01 => (self.show)(Show::Text {
                    token: challenge.token.clone(),
                    text: proof.as_str().to_owned(),
                }),
                Challenge::TlsAlpn01 => {
                    let name = challenge.identifier().to_string();
                    let answer = handshake(&name, proof.digest().as_ref())
                        .map_err(|error| self.refused(error.to_string()))?;
                    (self.show)(Show::Handshake { name, answer });
                }
            }
            challenge
                .set_ready()
                .await
                .map_err(|error| self.trouble(error))?;
        }
        Ok(())
    }

    /// What the authority says of the first name that it did not find.
    async fn unproven(&self, order: &mut Order) -> Trouble {
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            let state = match authorization.refresh().await {
                Ok(state) => state,
                Err(error) if is_nonce(&error) => return self.trouble(error),
                Err(_) => continue,
            };
            let error = state.challenges.iter().find_map(|it| it.error.as_ref());
            if let Some(problem) = error {
                return Trouble::Unproven {
                    authority: self.authority(),
                    name: state.identifier().to_string(),
                    cause: problem.to_string(),
                };
            }
        }
        self.refused("the order is invalid".to_owned())
    }

    fn refused(&self, cause: String) -> Trouble {
        Trouble::Refused {
            authority: self.authority(),
            cause,
            rate_limited: false,
            retry_after: None,
        }
    }

    pub(crate) fn trouble(&self, error: Error) -> Trouble {
        match error {
            error if is_nonce(&error) => Trouble::Nonce {
                authority: self.authority(),
            },
            Error::Api(problem) => Trouble::Refused {
                authority: self.authority(),
                retry_after: self.later.said(),
                rate_limited: problem.r#type.as_deref()
                    == Some("urn:ietf:params:acme:error:rateLimited"),
                cause: problem.to_string(),
            },
            Error::Timeout(_) => Trouble::Slow {
                authority: self.authority(),
            },
            error => Trouble::Unreachable {
                authority: self.authority(),
                cause: causes(&error),
            },
        }
    }
}

/// Whether it says nothing but that a nonce was used or too old.
fn is_nonce(error: &Error) -> bool {
    const KIND: &str = "urn:ietf:params:acme:error:badNonce";
    matches!(error, Error::Api(problem) if problem.r#type.as_deref() == Some(KIND))
}

/// An error with what is behind it, for the client's own words say little.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

/// The certificate of RFC 8737, 3: made by itself, with the proof in an extension.
fn handshake(name: &str, digest: &[u8]) -> Result<Issued, rcgen::Error> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params
        .custom_extensions
        .push(CustomExtension::new_acme_identifier(digest));
    let key = KeyPair::generate()?;
    let made = params.self_signed(&key)?;
    Ok(Issued {
        chain: made.pem(),
        key: key.serialize_pem(),
    })
}
