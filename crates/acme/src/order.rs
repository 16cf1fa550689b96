//! The clerk's side, in a process of its own: one errand at one authority. The thin part around the client.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error,
    ExternalAccountKey, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rustls::ClientConfig;

use crate::errand::{self, Errand, Matter, Outcome, Proof, Wanted, Word};
use crate::trouble::{PATIENCE, Trouble, name_of};
use crate::wire::{Later, Wire, trust};
use crate::{Challenge, LONGEST_CHAIN};

/// Orders that are begun because of a nonce that was refused, which says nothing of them (RFC 8555, 6.5). The client
/// itself sends each message three times.
const BEGINNINGS: usize = 8;
/// For the account: meanwhile other sites that lack one wait.
const ACQUAINTANCE: Duration = Duration::from_secs(60);

/// An errand that can be run.
pub struct Clerk {
    errand: Errand,
    trusted: Result<ClientConfig, Trouble>,
    later: Later,
}

impl std::fmt::Debug for Clerk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.errand.fmt(f)
    }
}

/// It cannot go on.
enum Stop {
    Trouble(Trouble),
    /// Nobody hears it any more.
    Unheard(io::Error),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Unheard(error)
    }
}

impl Clerk {
    /// Reads which authorities this machine believes: the last that it has to read.
    #[must_use]
    pub fn new(errand: Errand) -> Self {
        let trusted = trust(errand.ca.as_deref()).map_err(|error| Trouble::Unreachable {
            authority: name_of(&errand.directory),
            cause: causes(&error),
        });
        Self {
            errand,
            trusted,
            later: Later::default(),
        }
    }

    /// Runs the errand. `say` returns once the word was heard.
    ///
    /// # Errors
    /// When nobody hears it.
    pub async fn run(mut self, say: impl AsyncFn(Word) -> io::Result<()>) -> io::Result<()> {
        let outcome = match self.errand.matter.clone() {
            Matter::Order(wanted) => {
                let chain = self.obtain(&wanted, &say).await;
                chain.map(Outcome::Certificate)
            }
            Matter::Renewal { authority, serial } => {
                let id = CertificateIdentifier {
                    authority_key_identifier: authority.into(),
                    serial: serial.into(),
                };
                self.suggested(&id, &say).await
            }
        };
        match outcome {
            Ok(outcome) => say(Word::Done(outcome)).await,
            Err(Stop::Trouble(trouble)) => say(Word::Done(Outcome::Trouble(trouble))).await,
            Err(Stop::Unheard(error)) => Err(error),
        }
    }

    /// What the authority says about renewal, where it says anything (RFC 9773).
    async fn suggested(
        &mut self,
        id: &CertificateIdentifier<'_>,
        say: &impl AsyncFn(Word) -> io::Result<()>,
    ) -> Result<Outcome, Stop> {
        let account = self.account(say).await?;
        let (info, _) = account
            .renewal_info(id)
            .await
            .map_err(|error| self.trouble(error))?;
        let window = info.suggested_window;
        let [start, end] = [window.start, window.end].map(|time| {
            let time: SystemTime = time.into();
            time.duration_since(UNIX_EPOCH).unwrap_or_default()
        });
        Ok(Outcome::Window(start, end))
    }

    /// A certificate for all names. What is shown for that is not taken back here.
    async fn obtain(
        &mut self,
        wanted: &Wanted,
        say: &impl AsyncFn(Word) -> io::Result<()>,
    ) -> Result<String, Stop> {
        for _ in 1..BEGINNINGS {
            match self.attempt(wanted, say).await {
                Err(Stop::Trouble(Trouble::Nonce { .. })) => {
                    tracing::debug!("a nonce was refused");
                }
                outcome => return outcome,
            }
        }
        self.attempt(wanted, say).await
    }

    async fn attempt(
        &mut self,
        wanted: &Wanted,
        say: &impl AsyncFn(Word) -> io::Result<()>,
    ) -> Result<String, Stop> {
        let account = self.account(say).await?;
        let names: Vec<_> = wanted.names.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account
            .new_order(&NewOrder::new(&names))
            .await
            .map_err(|error| self.trouble(error))?;
        self.prove(&mut order, wanted.challenge, say).await?;
        let retries = RetryPolicy::default().timeout(PATIENCE);
        match order.poll_ready(&retries).await {
            Ok(OrderStatus::Invalid) => {
                let invalid = self.refused("the order is invalid".to_owned());
                return Err(self.unproven(&mut order, invalid).await.into());
            }
            Ok(_) => {}
            // Some authorities say it of the order, too.
            Err(error @ Error::Api(_)) if order.state().status == OrderStatus::Invalid => {
                let said = self.trouble(error);
                return Err(self.unproven(&mut order, said).await.into());
            }
            Err(error) => return Err(self.trouble(error).into()),
        }
        order
            .finalize_csr(&wanted.request)
            .await
            .map_err(|error| self.trouble(error))?;
        let chain = order
            .poll_certificate(&retries)
            .await
            .map_err(|error| self.trouble(error))?;
        if chain.len() > LONGEST_CHAIN {
            return Err(self.refused("its chain is too long".to_owned()).into());
        }
        Ok(chain)
    }

    /// The account that is kept, or a new one.
    async fn account(
        &mut self,
        say: &impl AsyncFn(Word) -> io::Result<()>,
    ) -> Result<Account, Stop> {
        let slow = || Trouble::Slow {
            authority: self.authority(),
        };
        let found = tokio::time::timeout(ACQUAINTANCE, self.find_account()).await;
        let (account, new) = found.map_err(|_| slow())??;
        if let Some(text) = new {
            self.errand.account = errand::Account::Kept(text.clone());
            say(Word::Account(text)).await?;
        }
        Ok(account)
    }

    /// With what is to be kept of it if it is new.
    async fn find_account(&self) -> Result<(Account, Option<String>), Trouble> {
        let trusted = self.trusted.clone()?;
        let builder = Account::builder_with_http(Box::new(Wire::new(trusted, &self.later)));
        let trouble = |error| self.trouble(error);
        let broken = |error: serde_json::Error| Trouble::State(error.to_string());
        match &self.errand.account {
            errand::Account::Kept(text) => {
                let kept: AccountCredentials = serde_json::from_str(text).map_err(broken)?;
                let account = builder.from_credentials(kept).await.map_err(trouble)?;
                Ok((account, None))
            }
            errand::Account::New { email, external } => {
                let contact = email.as_ref().map(|email| format!("mailto:{email}"));
                let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
                let new = NewAccount {
                    contact: &contact,
                    terms_of_service_agreed: true,
                    only_return_existing: false,
                };
                let external = external.as_ref();
                let external = external.map(|(id, key)| ExternalAccountKey::new(id.clone(), key));
                let directory = self.errand.directory.clone();
                let made = builder.create(&new, directory, external.as_ref()).await;
                let (account, credentials) = made.map_err(trouble)?;
                let text = serde_json::to_string(&credentials).map_err(broken)?;
                Ok((account, Some(text)))
            }
        }
    }

    async fn prove(
        &self,
        order: &mut Order,
        kind: Challenge,
        say: &impl AsyncFn(Word) -> io::Result<()>,
    ) -> Result<(), Stop> {
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
            let proof = match kind {
                Challenge::Http01 => Proof::Text {
                    token: challenge.token.clone(),
                    text: proof.as_str().to_owned(),
                },
                Challenge::TlsAlpn01 => Proof::Handshake {
                    name: challenge.identifier().to_string(),
                    digest: proof.digest().as_ref().try_into().unwrap_or_default(),
                },
            };
            say(Word::Proof(proof)).await?;
            challenge
                .set_ready()
                .await
                .map_err(|error| self.trouble(error))?;
        }
        Ok(())
    }

    /// What the authority says of the first name that it did not find; `otherwise`, if it says nothing.
    async fn unproven(&self, order: &mut Order, otherwise: Trouble) -> Trouble {
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
        otherwise
    }

    fn authority(&self) -> String {
        name_of(&self.errand.directory)
    }

    fn refused(&self, cause: String) -> Trouble {
        Trouble::Refused {
            authority: self.authority(),
            cause,
            rate_limited: false,
            retry_after: None,
        }
    }

    fn trouble(&self, error: Error) -> Trouble {
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
