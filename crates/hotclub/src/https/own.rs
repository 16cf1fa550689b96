//! Certificates of one's own: two files that somebody else renews. They are looked at once a second rather
//! than watched, for they may be links that are turned to other folders, or lie where no change is told.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hotclub_front::{Certificate, CertificateError};

use super::desk::Desk;

const LOOK: Duration = Duration::from_secs(1);
/// Two files are not written at once: only a mismatch that lasts is one.
const PATIENCE: u32 = 10;
/// Longer than any chain.
const LONGEST: u64 = 1 << 20;

/// A certificate's file and its key's.
#[derive(Clone, Debug)]
pub(crate) struct OwnFiles {
    certificate: PathBuf,
    key: PathBuf,
}

/// What tells one state of a file from the next: device, inode, size, time of change.
type Stamp = [Option<(u64, u64, u64, i64, i64)>; 2];

/// Which of the two cannot be used, and why.
#[derive(Debug)]
pub(crate) struct Unusable {
    key: &'static str,
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Unreadable(io::Error),
    Content(CertificateError),
}

impl OwnFiles {
    pub(crate) fn new(certificate: PathBuf, key: PathBuf) -> Self {
        Self { certificate, key }
    }

    /// The two as they are now.
    pub(crate) fn load(&self) -> Result<Certificate, Unusable> {
        let chain = read(&self.certificate).map_err(|error| self.wrong("certificate", error))?;
        let key = read(&self.key).map_err(|error| self.wrong("key", error))?;
        Certificate::from_pem(&chain, &key).map_err(|error| {
            let which = match error {
                CertificateError::NoCertificate | CertificateError::Certificate(_) => "certificate",
                _ => "key",
            };
            Unusable {
                cause: Cause::Content(error),
                ..self.wrong(which, io::ErrorKind::InvalidData.into())
            }
        })
    }

    fn wrong(&self, key: &'static str, error: io::Error) -> Unusable {
        let path = match key {
            "key" => &self.key,
            _ => &self.certificate,
        };
        Unusable {
            key,
            path: path.clone(),
            cause: Cause::Unreadable(error),
        }
    }

    pub(super) fn stamp(&self) -> Stamp {
        [&self.certificate, &self.key].map(|path| {
            let meta = std::fs::metadata(path).ok()?;
            let changed = (meta.ctime(), meta.ctime_nsec());
            Some((meta.dev(), meta.ino(), meta.size(), changed.0, changed.1))
        })
    }
}

fn read(path: &PathBuf) -> io::Result<Vec<u8>> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if meta.len() > LONGEST {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    std::fs::read(path)
}

impl Unusable {
    /// The key of `[https]` that names the file.
    pub(super) fn key(&self) -> &'static str {
        self.key
    }

    pub(crate) fn hint(&self) -> &'static str {
        match &self.cause {
            Cause::Unreadable(error) if error.kind() == io::ErrorKind::NotFound => {
                "paths start at hotclub.toml's folder"
            }
            Cause::Unreadable(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                "let the user that Hotclub runs as read it, and nobody else"
            }
            Cause::Unreadable(_) => "certificate and key are files in PEM format",
            Cause::Content(CertificateError::Mismatch) => {
                "`openssl x509 -noout -pubkey -in CERTIFICATE` and `openssl pkey -pubout -in KEY` must \
                 print the same"
            }
            Cause::Content(CertificateError::NoCertificate) => {
                "the chain belongs here, the site's own certificate first (certbot: fullchain.pem)"
            }
            Cause::Content(_) => "RSA, ECDSA and Ed25519 keys can be used (certbot: privkey.pem)",
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.cause {
            Cause::Unreadable(error) => {
                let text = error.to_string();
                // Without Rust's `(os error 2)`.
                let plain = text.split(" (os error").next().unwrap_or(&text);
                write!(f, "{path} cannot be read: {plain}")
            }
            Cause::Content(error) => write!(f, "{path} cannot be used: {error}"),
        }
    }
}

/// Takes what the files become, forever. What cannot be used changes nothing, and is said once.
pub(super) async fn follow(files: OwnFiles, mut seen: Stamp, hosts: Vec<String>, desk: Arc<Desk>) {
    let (mut tries, mut said) = (0, false);
    loop {
        tokio::time::sleep(LOOK).await;
        let now = files.stamp();
        if now == seen && tries == 0 {
            continue;
        }
        if now != seen {
            (tries, said) = (0, false);
        }
        seen = now;
        match files.load() {
            Ok(certificate) => {
                desk.put(&hosts, &certificate);
                tries = 0;
                tracing::info!(file = %files.certificate.display(), "the certificate is reloaded");
            }
            Err(wrong) => {
                tries += 1;
                if tries >= PATIENCE && !said {
                    said = true;
                    tracing::error!(
                        "the old certificate goes on: {wrong}\nhint: {}",
                        wrong.hint()
                    );
                }
            }
        }
    }
}
