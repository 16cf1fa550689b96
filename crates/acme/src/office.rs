//! The supervisor's side of an errand: makes keys and requests, sends clerks, and believes of what they say what it has
//! looked at. No byte of the network's is read here, and no key of a certificate leaves.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use instant_acme::{AccountCredentials, CertificateIdentifier};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use tokio::sync::{OwnedMutexGuard, Semaphore};

use crate::errand::{Account, Errand, Matter, Outcome, Proof, Wanted, Word};
use crate::expiry;
use crate::trouble::{Trouble, name_of, tidied};
use crate::{Challenge, Issued, Show, Shower, Wish, store};

/// For all of an errand, so that an authority that says nothing holds nothing up.
const ERRAND: Duration = Duration::from_secs(600);
/// Clerks that are under way at once: a thousand sites that are new are no thousand processes.
const CLERKS: usize = 16;
/// Bytes of an account, which are a few hundred.
const LONGEST_ACCOUNT: usize = 8 << 10;
/// An authority begins some orders anew.
const PROOFS_PER_NAME: usize = 8;
/// Characters of a token, and of what follows it.
const LONGEST_TOKEN: usize = 256;
/// The end of the year 9999, in seconds since 1970: no date of a certificate is later.
const LAST_DAY: Duration = Duration::from_secs(253_402_300_799);

/// Sends a clerk; what it says before its last word is heard by the second.
pub type Dispatch = Arc<
    dyn Fn(Errand, Hear) -> Pin<Box<dyn Future<Output = Result<Outcome, Trouble>> + Send>>
        + Send
        + Sync,
>;
/// Hears a word; after an error the clerk is to be ended.
pub type Hear = Box<dyn FnMut(Word) -> Result<(), Trouble> + Send>;

/// Where clerks are sent from. Clones are the same.
#[derive(Clone)]
pub struct Office(Arc<Inner>);

struct Inner {
    dispatch: Dispatch,
    clerks: Semaphore,
    /// Held while an account is made, by its file: all sites share one.
    new_accounts: Mutex<HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>,
}

impl std::fmt::Debug for Office {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Office").finish_non_exhaustive()
    }
}

impl Office {
    #[must_use]
    pub fn new(dispatch: Dispatch) -> Self {
        Self(Arc::new(Inner {
            dispatch,
            clerks: Semaphore::new(CLERKS),
            new_accounts: Mutex::default(),
        }))
    }

    /// A certificate for all names from one authority. What is shown for that is not taken back here.
    pub(crate) async fn obtain(
        &self,
        wish: &Wish,
        directory: &str,
        show: &Shower,
    ) -> Result<Issued, Trouble> {
        let (key, request) =
            request(&wish.names).map_err(|error| Trouble::Request(error.to_string()))?;
        let matter = Matter::Order(Wanted {
            names: wish.names.clone(),
            request,
            challenge: wish.challenge,
        });
        let unusable = |cause: String| Trouble::Unusable {
            authority: name_of(directory),
            cause,
        };
        match self.send(wish, directory, matter, Some(show)).await? {
            Outcome::Certificate(chain) => {
                let chain = expiry::checked(&chain, &wish.names, &key).map_err(unusable)?;
                let key = key.serialize_pem();
                Ok(Issued { chain, key })
            }
            _ => Err(unusable("it is no certificate".to_owned())),
        }
    }

    /// From when to when an authority wants a certificate renewed, where it says anything (RFC 9773).
    pub(crate) async fn window(
        &self,
        wish: &Wish,
        directory: &str,
        id: &CertificateIdentifier<'_>,
    ) -> Option<(SystemTime, SystemTime)> {
        let matter = Matter::Renewal {
            authority: id.authority_key_identifier.to_string(),
            serial: id.serial.to_string(),
        };
        match self.send(wish, directory, matter, None).await {
            Ok(Outcome::Window(start, end)) if start.max(end) < LAST_DAY => {
                Some((UNIX_EPOCH + start, UNIX_EPOCH + end))
            }
            _ => None,
        }
    }

    async fn send(
        &self,
        wish: &Wish,
        directory: &str,
        matter: Matter,
        show: Option<&Shower>,
    ) -> Result<Outcome, Trouble> {
        let file = store::account_file(&wish.folder, directory);
        let (account, making) = self.account(wish, &file).await?;
        let ca = wish.ca.as_ref().map(std::fs::read_to_string).transpose();
        let errand = Errand {
            directory: directory.to_owned(),
            ca: ca.map_err(|error| Trouble::Unreachable {
                authority: name_of(directory),
                cause: format!("https.acme.ca cannot be read: {error}"),
            })?,
            account,
            matter,
        };
        let mut hearing = Hearing {
            names: wish.names.clone(),
            challenge: wish.challenge,
            show: show.cloned(),
            file,
            making,
            proofs: 0,
        };
        let hear = Box::new(move |word| hearing.hear(word));
        // Nobody closes it.
        let _place = self.0.clerks.acquire().await;
        let slow = || Trouble::Slow {
            authority: directory.to_owned(),
        };
        let gone = tokio::time::timeout(ERRAND, (self.0.dispatch)(errand, hear));
        let outcome = gone.await.unwrap_or_else(|_| Err(slow()));
        match outcome {
            Ok(Outcome::Trouble(trouble)) | Err(trouble) => Err(tidied(trouble, directory)),
            Ok(outcome) => Ok(outcome),
        }
    }

    /// What is kept of an account, or what a new one is made of, which is for whoever holds the guard to do.
    async fn account(
        &self,
        wish: &Wish,
        file: &Path,
    ) -> Result<(Account, Option<OwnedMutexGuard<()>>), Trouble> {
        if let Some(kept) = kept(file) {
            return Ok((Account::Kept(kept), None));
        }
        let making = {
            let mut all = self.0.new_accounts.lock();
            let all = all.as_mut().unwrap_or_else(|error| error.get_mut());
            Arc::clone(all.entry(file.to_owned()).or_default())
        };
        let making = making.lock_owned().await;
        // Another site may have made it meanwhile.
        if let Some(kept) = kept(file) {
            return Ok((Account::Kept(kept), None));
        }
        let new = Account::New {
            email: wish.email.clone(),
            external: external(wish)?,
        };
        Ok((new, Some(making)))
    }
}

fn kept(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    is_account(&text).then_some(text)
}

fn is_account(text: &str) -> bool {
    text.len() <= LONGEST_ACCOUNT && serde_json::from_str::<AccountCredentials>(text).is_ok()
}

fn external(wish: &Wish) -> Result<Option<(String, Vec<u8>)>, Trouble> {
    let Some(external) = &wish.external_account else {
        return Ok(None);
    };
    let text = external.hmac.trim().trim_end_matches('=');
    let key = BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .or_else(|_| BASE64_STANDARD_NO_PAD.decode(text))
        .map_err(|_| Trouble::ExternalKey)?;
    Ok(Some((external.key_id.clone(), key)))
}

/// A new key, and a request for a certificate (DER) that it signed.
fn request(names: &[String]) -> Result<(KeyPair, Vec<u8>), rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate()?;
    let request = params.serialize_request(&key)?;
    Ok((key, request.der().to_vec()))
}

/// Looks at what a clerk says, and does what it asks for.
struct Hearing {
    names: Vec<String>,
    challenge: Challenge,
    /// Nothing is to be shown.
    show: Option<Shower>,
    file: PathBuf,
    /// There is no account yet.
    making: Option<OwnedMutexGuard<()>>,
    proofs: usize,
}

impl Hearing {
    fn hear(&mut self, word: Word) -> Result<(), Trouble> {
        let odd = || Trouble::Clerk("it says what nobody asked".to_owned());
        match word {
            Word::Account(text) if self.making.is_some() && is_account(&text) => {
                store::write(&self.file, text.as_bytes())
                    .map_err(|error| Trouble::State(error.to_string()))?;
                self.making = None;
                Ok(())
            }
            Word::Proof(proof) if self.proofs < PROOFS_PER_NAME * self.names.len() => {
                self.proofs += 1;
                let show = self.show.clone().ok_or_else(odd)?;
                show(self.shown(proof).ok_or_else(odd)?);
                Ok(())
            }
            _ => Err(odd()),
        }
    }

    /// `None`: it is no proof, or not for this site.
    fn shown(&self, proof: Proof) -> Option<Show> {
        match (proof, self.challenge) {
            (Proof::Text { token, text }, Challenge::Http01) => {
                let print = text.strip_prefix(&token)?.strip_prefix('.')?;
                (is_token(&token) && is_token(print)).then_some(Show::Text { token, text })
            }
            (Proof::Handshake { name, digest }, Challenge::TlsAlpn01) => {
                let name = self.names.iter().find(|known| **known == name)?.clone();
                let answer = handshake(&name, &digest).ok()?;
                Some(Show::Handshake { name, answer })
            }
            _ => None,
        }
    }
}

/// RFC 8555, 8.1 and 8.3: letters of Base64 for URLs.
fn is_token(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LONGEST_TOKEN).contains(&text.len()) && text.bytes().all(is_letter)
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const DIRECTORY: &str = "https://acme.example/dir";

    fn wish(folder: &Path, challenge: Challenge) -> Wish {
        Wish {
            site: "site".to_owned(),
            names: vec!["a.example".to_owned()],
            folder: folder.to_owned(),
            directories: vec![DIRECTORY.to_owned()],
            ca: None,
            email: None,
            external_account: None,
            challenge,
        }
    }

    fn text(token: &str, text: &str) -> Word {
        Word::Proof(Proof::Text {
            token: token.to_owned(),
            text: text.to_owned(),
        })
    }

    fn proof_for(name: &str) -> Word {
        Word::Proof(Proof::Handshake {
            name: name.to_owned(),
            digest: [7; 32],
        })
    }

    #[tokio::test]
    async fn a_clerk_shows_proofs_of_its_own_site_and_kind_and_nothing_else() {
        use Challenge::{Http01, TlsAlpn01};
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(LONGEST_TOKEN + 1);
        for (said, challenge, is_shown) in [
            (text("to-ken_1", "to-ken_1.print"), Http01, true),
            (text("token", "other.print"), Http01, false),
            (text("token", "token.print\r\nX: y"), Http01, false),
            (text("../token", "../token.print"), Http01, false),
            (text("", ".print"), Http01, false),
            (text(&long, &format!("{long}.print")), Http01, false),
            (text("token", "token.print"), TlsAlpn01, false),
            (proof_for("a.example"), TlsAlpn01, true),
            (proof_for("bank.example"), TlsAlpn01, false),
            (proof_for("a.example"), Http01, false),
            (Word::Account("{}".to_owned()), Http01, false),
        ] {
            let case = format!("{said:?}");
            let said = Mutex::new(Some(said));
            let dispatch: Dispatch = Arc::new(move |_, mut hear| {
                let heard = hear(said.lock().unwrap().take().unwrap());
                let chain = Outcome::Certificate(String::new());
                Box::pin(async move { heard.map(|()| chain) })
            });
            let shown = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&shown);
            let show: Shower = Arc::new(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
            });
            let wish = wish(folder.path(), challenge);
            let outcome = Office::new(dispatch).obtain(&wish, DIRECTORY, &show).await;
            let is_refused = matches!(outcome, Err(Trouble::Clerk(_)));
            assert_eq!(is_refused, !is_shown, "{case}: {outcome:?}");
            assert_eq!(
                shown.load(Ordering::Relaxed),
                usize::from(is_shown),
                "{case}"
            );
        }
        let kept: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert!(kept.is_empty(), "{kept:?}");
    }

    #[tokio::test]
    async fn proofs_without_end_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let dispatch: Dispatch = Arc::new(|_, mut hear| {
            Box::pin(async move {
                loop {
                    hear(text("token", "token.print"))?;
                }
            })
        });
        let wish = wish(folder.path(), Challenge::Http01);
        let show: Shower = Arc::new(|_| ());
        let outcome = Office::new(dispatch).obtain(&wish, DIRECTORY, &show).await;
        assert!(matches!(outcome, Err(Trouble::Clerk(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_window_out_of_all_time_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let wish = wish(folder.path(), Challenge::Http01);
        let id = CertificateIdentifier {
            authority_key_identifier: "a".into(),
            serial: "b".into(),
        };
        let day = Duration::from_secs(86_400);
        for (start, end, is_taken) in [
            (day, 2 * day, true),
            (2 * day, day, true),
            (day, Duration::MAX, false),
        ] {
            let dispatch: Dispatch =
                Arc::new(move |_, _| Box::pin(async move { Ok(Outcome::Window(start, end)) }));
            let window = Office::new(dispatch).window(&wish, DIRECTORY, &id).await;
            assert_eq!(window.is_some(), is_taken, "{start:?} {end:?}");
        }
    }
}
