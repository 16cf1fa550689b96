//! Basic authentication (RFC 7617) against a file of `name:hash` lines, hashes of argon2 or bcrypt.
//!
//! A check takes some tens of milliseconds by design. It runs beside the front's threads, few at a time, and
//! success is remembered for some minutes by a keyed hash of the field, so that a page with forty pictures
//! costs one check. An unknown name takes as long as a wrong password.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::{Argon2, PasswordHash, PasswordVerifier};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blake2::Blake2sMac256;
use blake2::digest::Mac;
use tokio::sync::Semaphore;

/// Checks at a time. Each takes a core, and argon2 its memory.
const AT_ONCE: usize = 2;
/// Checks that wait for these. More is a flood, not a team.
const WAITING: usize = 32;
/// How long a success is remembered: a removed user is gone after this, at the latest with a reload.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Successes that are remembered.
const MOST: usize = 1024;
/// Longer fields are no password.
const LONGEST: usize = 1024;

/// What a file of users holds for a password: argon2id with a new salt.
///
/// # Errors
/// When no salt, or no memory, is to be had.
pub fn password_hash(password: &[u8]) -> std::io::Result<String> {
    use argon2::password_hash::{PasswordHasher, SaltString};
    let mut random = [0; 32];
    fill_random(&mut random)?;
    let salt = SaltString::encode_b64(&random[..16]).map_err(std::io::Error::other)?;
    let hash = Argon2::default().hash_password(password, &salt);
    hash.map(|hash| hash.to_string())
        .map_err(std::io::Error::other)
}

/// Who may come.
pub(super) struct Users {
    hashes: Arc<Hashes>,
    /// Those who may wait or be checked.
    places: Arc<Semaphore>,
    /// Those who may be checked.
    turns: Arc<Semaphore>,
    key: [u8; 32],
    known: Mutex<HashMap<[u8; 32], Instant>>,
}

impl std::fmt::Debug for Users {
    /// Without hashes and key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.hashes.by_name.len();
        f.debug_struct("Users")
            .field("count", &count)
            .finish_non_exhaustive()
    }
}

struct Hashes {
    by_name: HashMap<String, String>,
    /// Checked for names that nobody has.
    other: String,
}

/// What a field says of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Known,
    Unknown,
    /// Too many are being checked.
    Busy,
}

type Fault = (String, Option<&'static str>);

impl Users {
    /// Reads a file.
    pub(super) fn read(file: &Path) -> Result<Self, Fault> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            let hint = "each line is a name, a colon, and what `hotclub passwd` prints";
            (
                format!("{} cannot be read: {error}", file.display()),
                Some(hint),
            )
        })?;
        let by_name = parse(&text).map_err(|(line, what)| {
            let hint = "hotclub passwd NAME prints a line with an argon2 hash";
            (format!("{}:{line}: {what}", file.display()), Some(hint))
        })?;
        let Some(other) = by_name.values().next().cloned() else {
            return Err((format!("{} names nobody", file.display()), None));
        };
        let mut key = [0; 32];
        fill_random(&mut key)
            .map_err(|error| (format!("there are no random numbers: {error}"), None))?;
        Ok(Self {
            hashes: Arc::new(Hashes { by_name, other }),
            places: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            key,
            known: Mutex::default(),
        })
    }

    /// Judges an Authorization field.
    pub(super) async fn check(&self, field: Option<&[u8]>) -> Verdict {
        let Some((name, password)) = field.and_then(credentials) else {
            return Verdict::Unknown;
        };
        let mark = self.mark(&name, &password);
        if self.is_known(&mark) {
            return Verdict::Known;
        }
        let Ok(_place) = self.places.try_acquire() else {
            return Verdict::Busy;
        };
        let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else {
            return Verdict::Busy;
        };
        let hashes = Arc::clone(&self.hashes);
        let checked = tokio::task::spawn_blocking(move || {
            // Held to the end of the work, also when the client has left.
            let _turn = turn;
            hashes.verify(&name, &password)
        });
        match checked.await {
            Ok(true) => {
                self.remember(mark);
                Verdict::Known
            }
            Ok(false) => Verdict::Unknown,
            Err(_) => Verdict::Busy,
        }
    }

    fn mark(&self, name: &str, password: &[u8]) -> [u8; 32] {
        let mut mac = match Blake2sMac256::new_from_slice(&self.key) {
            Ok(mac) => mac,
            // A key of 32 bytes is always taken.
            Err(_) => return self.key,
        };
        mac.update(&(name.len() as u64).to_le_bytes());
        mac.update(name.as_bytes());
        mac.update(password);
        mac.finalize().into_bytes().into()
    }

    fn is_known(&self, mark: &[u8; 32]) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(mark).is_some_and(|until| *until > Instant::now())
    }

    fn remember(&self, mark: [u8; 32]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if known.len() >= MOST {
            known.retain(|_, until| *until > now);
        }
        if known.len() < MOST {
            known.insert(mark, now + REMEMBERED);
        }
    }
}

impl Hashes {
    fn verify(&self, name: &str, password: &[u8]) -> bool {
        let found = self.by_name.get(name);
        let is_right = matches(password, found.unwrap_or(&self.other));
        is_right && found.is_some()
    }
}

/// Both libraries compare in constant time.
fn matches(password: &[u8], hash: &str) -> bool {
    if hash.starts_with("$argon2") {
        let hash = PasswordHash::new(hash);
        return hash.is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok());
    }
    bcrypt::verify(password, hash).unwrap_or(false)
}

fn credentials(field: &[u8]) -> Option<(String, Vec<u8>)> {
    if field.len() > LONGEST {
        return None;
    }
    let (scheme, rest) = field.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = STANDARD.decode(rest.trim_ascii()).ok()?;
    let colon = memchr::memchr(b':', &decoded)?;
    let name = String::from_utf8(decoded[..colon].to_vec()).ok()?;
    Some((name, decoded[colon + 1..].to_vec()))
}

/// # Errors
/// The number of the line, and what is wrong with it.
fn parse(text: &str) -> Result<HashMap<String, String>, (usize, &'static str)> {
    let mut by_name = HashMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = at + 1;
        let (name, hash) = line.split_once(':').ok_or((number, "there is no colon"))?;
        if name.is_empty() {
            return Err((number, "there is no name before the colon"));
        }
        if !is_hash(hash) {
            return Err((number, "this is no hash of argon2 or bcrypt"));
        }
        if by_name.insert(name.to_owned(), hash.to_owned()).is_some() {
            return Err((number, "this name comes twice"));
        }
    }
    Ok(by_name)
}

fn is_hash(hash: &str) -> bool {
    if hash.starts_with("$argon2") {
        let hash = PasswordHash::new(hash);
        return hash.is_ok_and(|hash| hash.salt.is_some() && hash.hash.is_some());
    }
    let is_bcrypt = ["$2a$", "$2b$", "$2y$"]
        .iter()
        .any(|start| hash.starts_with(start));
    is_bcrypt && hash.len() == 60 && hash.parse::<bcrypt::HashParts>().is_ok()
}

fn fill_random(bytes: &mut [u8; 32]) -> std::io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(text: &str) -> Result<Users, Fault> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users");
        std::fs::write(&file, text).unwrap();
        Users::read(&file)
    }

    fn argon2(password: &str) -> String {
        use argon2::password_hash::{PasswordHasher, SaltString};
        let params = argon2::Params::new(8, 1, 1, None).unwrap();
        let argon2 = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        let salt = SaltString::from_b64("c29tZXNhbHRzb21l").unwrap();
        argon2
            .hash_password(password.as_bytes(), &salt)
            .unwrap()
            .to_string()
    }

    fn check(users: &Users, pair: &str) -> Verdict {
        let field = format!("Basic {}", STANDARD.encode(pair));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(users.check(Some(field.as_bytes())))
    }

    #[test]
    fn names_and_passwords_of_both_kinds_are_known() {
        let bcrypt = bcrypt::hash("geheim", 4).unwrap();
        let text = format!("# team\nanna:{}\n\nbob:{bcrypt}\n", argon2("secret"));
        let users = users(&text).unwrap();
        for (pair, expected) in [
            ("anna:secret", Verdict::Known),
            ("anna:secret", Verdict::Known),
            ("bob:geheim", Verdict::Known),
            ("bob:secret", Verdict::Unknown),
            ("anna:", Verdict::Unknown),
            ("carl:secret", Verdict::Unknown),
            (":secret", Verdict::Unknown),
            ("anna", Verdict::Unknown),
        ] {
            assert_eq!(check(&users, pair), expected, "{pair}");
        }
        let none = credentials(b"Bearer abc");
        assert!(none.is_none() && credentials(b"Basic !!!").is_none());
        assert_eq!(users.known.lock().unwrap().len(), 2);
    }

    #[test]
    fn a_file_that_would_let_nobody_or_anybody_in_is_refused() {
        for (text, message) in [
            ("", "names nobody"),
            ("anna", ":1: there is no colon"),
            ("# x\nanna:secret", ":2: this is no hash"),
            ("anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "this is no hash"),
            ("anna:$argon2id$nonsense", "this is no hash"),
            ("anna:$2y$04$short", "this is no hash"),
        ] {
            let (said, _) = users(text).map(|_| ()).unwrap_err();
            assert!(said.contains(message), "{text}: {said}");
        }
    }
}
