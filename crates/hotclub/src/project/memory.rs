//! What a start leaves behind for the next one: under which circumstances a step was last done.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The result of a step and the digest of all that it depends on.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Remembered<T> {
    of: String,
    result: T,
}

/// What a step came to last time, if it depended on the same things then.
pub(crate) fn recall<T: DeserializeOwned>(file: &Path, of: &str) -> Option<T> {
    let text = fs::read(file).ok()?;
    let remembered: Remembered<T> = serde_json::from_slice(&text).ok()?;
    (remembered.of == of).then_some(remembered.result)
}

/// What a step came to last time, whatever it depended on.
pub(crate) fn last<T: DeserializeOwned>(file: &Path) -> Option<T> {
    let remembered: Remembered<T> = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    Some(remembered.result)
}

/// Keeps what a step came to: readable by its owner only, for it may hold secrets; whole or not at all.
pub(crate) fn keep<T: Serialize>(file: &Path, of: &str, result: T) -> io::Result<()> {
    let fresh = file.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let opened = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    serde_json::to_writer(
        &opened,
        &Remembered {
            of: of.to_owned(),
            result,
        },
    )?;
    opened.sync_all()?;
    fs::rename(fresh, file)
}

/// Tells inputs apart; no defence against anybody.
pub(crate) fn digest<T: Hash>(parts: impl IntoIterator<Item = T>) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.into_iter().for_each(|part| part.hash(&mut hasher));
    hasher.finish()
}
