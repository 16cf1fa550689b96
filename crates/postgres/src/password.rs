//! Generated passwords, each in a file of its own that only Hotclub's user can read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use hotclub_config::Secret;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::error::Error;

/// 192 bits as hexadecimal digits: safe in a URL, an env file and a shell without any quoting.
const BYTES: usize = 24;

/// A new random word of digits and `a`–`f`.
pub(crate) fn random(bytes: usize) -> io::Result<String> {
    let mut random = vec![0u8; bytes];
    let mut filled = 0;
    while filled < bytes {
        match getrandom(&mut random[filled..], GetRandomFlags::empty()) {
            Ok(more) => filled += more,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The password kept in `file`; a new one is made where there is none.
///
/// # Errors
/// When the file cannot be read or written.
pub fn kept(file: &Path) -> Result<Secret, Error> {
    match read(file)? {
        Some(password) => Ok(password),
        None => create(file),
    }
}

/// The password kept in a file, or nothing when there is none (or an empty one).
pub(crate) fn read(file: &Path) -> Result<Option<Secret>, Error> {
    match std::fs::read_to_string(file) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => Ok(Some(Secret::new(text.trim()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read the password file", file)(error)),
    }
}

/// Makes a password and keeps it: written aside, synced and renamed.
pub(crate) fn create(file: &Path) -> Result<Secret, Error> {
    let fail = |source| Error::Io {
        doing: "write the password file",
        path: file.to_path_buf(),
        source,
    };
    let password = random(BYTES).map_err(fail)?;
    let aside = file.with_extension("new");
    let _ = std::fs::remove_file(&aside);
    write_private(&aside, &password).map_err(fail)?;
    std::fs::rename(&aside, file).map_err(fail)?;
    Ok(Secret::from(password))
}

/// Writes a new file that only its owner can read.
pub(crate) fn write_private(file: &Path, text: &str) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(file)
}
