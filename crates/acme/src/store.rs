//! Accounts and certificates on disk: readable for us alone (0600), and replaced as a whole, so that a crash leaves
//! the old or the new. Chain and key are one file: no moment has one of the one and one of the other.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::Issued;

/// The certificate that is kept for a site, expired or not.
#[must_use]
pub fn stored(folder: &Path, site: &str) -> Option<Issued> {
    let text = fs::read_to_string(certificate_file(folder, site)).ok()?;
    let at = text.find("-----BEGIN PRIVATE KEY-----")?;
    let (chain, key) = text.split_at(at);
    Some(Issued {
        chain: chain.to_owned(),
        key: key.to_owned(),
    })
}

pub(crate) fn keep_certificate(folder: &Path, site: &str, issued: &Issued) -> io::Result<()> {
    let Issued { chain, key } = issued;
    let between = if chain.ends_with('\n') { "" } else { "\n" };
    let text = format!("{chain}{between}{key}");
    write(&certificate_file(folder, site), text.as_bytes())
}

fn certificate_file(folder: &Path, site: &str) -> PathBuf {
    folder.join(format!("{site}.pem"))
}

/// One account an authority, shared by all sites.
pub(crate) fn account_file(folder: &Path, directory: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    directory.hash(&mut hasher);
    let host = directory.split('/').nth(2).unwrap_or("authority");
    let host: String = host
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '_'
            }
        })
        .collect();
    folder.join(format!("account-{host}-{:016x}.json", hasher.finish()))
}

/// Writes a file of mode 0600 so that it is there whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // The folder may lie in a project that is kept in git.
    let ignored = folder.join(".gitignore");
    if !ignored.exists() {
        fs::write(&ignored, "*\n")?;
    }
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_kept_is_found_again_and_is_for_us_alone() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("https");
        assert_eq!(stored(&folder, "site"), None);
        let issued = Issued {
            chain: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----".to_owned(),
            key: "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n".to_owned(),
        };
        keep_certificate(&folder, "site", &issued).unwrap();
        let found = stored(&folder, "site").unwrap();
        assert_eq!(found.key, issued.key);
        assert_eq!(found.chain.trim_end(), issued.chain);
        let mode = fs::metadata(folder.join("site.pem")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let one = account_file(&folder, "https://acme.example/one");
        assert_ne!(one, account_file(&folder, "https://acme.example/two"));
    }
}
