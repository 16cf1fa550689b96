//! A SECRET_KEY for settings that read one from the environment and were given none.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::inspection::EnvRead;

/// Names that can mean nothing but Django's own key.
const KNOWN: [&str; 6] = [
    "SECRET_KEY",
    "DJANGO_SECRET_KEY",
    "DJANGO_SECRET",
    "APP_SECRET_KEY",
    "SECRET_KEY_BASE",
    "DJANGO_KEY",
];

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Django wants 50 characters; 64 of this alphabet are 384 bits.
const LENGTH: usize = 64;

/// The unset names that are to be tried as the key. `certain`: inject it whatever comes of it;
/// otherwise only if SECRET_KEY is then seen to be its value (`STRIPE_SECRET_KEY` is not ours).
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) certain: bool,
}

/// `package` is the first part of the settings module's name.
pub(crate) fn candidates(env: &[EnvRead], package: &str) -> Vec<Candidate> {
    let of_package = format!("{}_SECRET_KEY", package.to_uppercase());
    let unset = env.iter().filter(|read| !read.set || read.empty);
    let mut found: Vec<Candidate> = unset
        .filter(|read| read.name.ends_with("SECRET_KEY") || KNOWN.contains(&&*read.name))
        .map(|read| Candidate {
            certain: KNOWN.contains(&&*read.name) || read.name == of_package,
            name: read.name.clone(),
        })
        .collect();
    found.sort_by_key(|candidate| !candidate.certain);
    found
}

/// The key of this state folder, made at its first use. Only its owner can read the file.
pub fn secret_key(state: &Path) -> io::Result<String> {
    let path = state.join("secret_key");
    match fs::read_to_string(&path) {
        Ok(key) if key.len() >= LENGTH => return Ok(key),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let key = generated()?;
    fs::create_dir_all(state)?;
    let only_owner = fs::Permissions::from_mode(0o600);
    let mut file = tempfile::Builder::new()
        .permissions(only_owner)
        .tempfile_in(state)?;
    file.write_all(key.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(key)
}

/// Sixty-four letters divide a byte evenly, so no letter is likelier than another.
fn generated() -> io::Result<String> {
    let mut bytes = [0u8; LENGTH];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 64)]))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_can_read_it() {
        let state = tempfile::tempdir().unwrap();
        let key = secret_key(state.path()).unwrap();
        assert!(key.len() >= 50 && !key.starts_with("django-insecure-"));
        assert_eq!(secret_key(state.path()).unwrap(), key);
        let mode = fs::metadata(state.path().join("secret_key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn other_peoples_secret_keys_are_not_certain() {
        let read = |name: &str| EnvRead {
            name: name.into(),
            ..EnvRead::default()
        };
        let env = [
            "STRIPE_SECRET_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "SHOP_SECRET_KEY",
        ]
        .map(read);
        let found = candidates(&env, "shop");
        let named: Vec<_> = found
            .iter()
            .map(|found| (&*found.name, found.certain))
            .collect();
        assert_eq!(
            named,
            [("SHOP_SECRET_KEY", true), ("STRIPE_SECRET_KEY", false)]
        );
    }
}
