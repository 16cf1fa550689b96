//! The media folder in a backup: a copy file by file. What has not changed since the backup before is a hard
//! link to its copy there, so that fourteen backups of a large folder take little more room than one.
//! Never a link to the live file: that may be written to.

use std::collections::HashMap;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use serde::{Deserialize, Serialize};

use super::dump::digest_of;
use crate::error::Error;

/// `%` alone, and whatever is not ASCII: names are bytes.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// A file in the media folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Below the folder, percent-encoded.
    path: String,
    size: u64,
    /// Nanoseconds since 1970.
    modified: i64,
    mode: u32,
    sha256: String,
}

/// `media.json`.
pub(crate) type Listing = Vec<Entry>;

impl Entry {
    fn path(&self) -> PathBuf {
        let bytes: Vec<u8> = percent_decode_str(&self.path).collect();
        PathBuf::from(std::ffi::OsString::from_vec(bytes))
    }

    fn is_unchanged(&self, now: &fs::Metadata) -> bool {
        (self.size, self.modified) == (now.len(), modified(now))
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

fn modified(metadata: &fs::Metadata) -> i64 {
    metadata
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(metadata.mtime_nsec())
}

/// Bytes of all files below a folder.
pub(crate) fn size(root: &Path) -> u64 {
    let mut total = 0;
    // What cannot be read is found out by the copy.
    let _ = walk(root, &mut |_, metadata| {
        total += metadata.len();
        Ok(())
    });
    total
}

/// Copies a media folder into a backup; `before` is the media folder of an earlier one and its listing.
pub(crate) fn keep(
    root: &Path,
    to: &Path,
    before: Option<(&Path, &Listing)>,
) -> Result<Listing, Error> {
    let known: HashMap<PathBuf, &Entry> = before
        .iter()
        .flat_map(|(_, listing)| listing.iter().map(|entry| (entry.path(), entry)))
        .collect();
    let mut listing = Vec::new();
    fs::create_dir(to).map_err(Error::io("create the folder", to))?;
    walk(root, &mut |relative, metadata| {
        let (source, place) = (root.join(relative), to.join(relative));
        make_parent(&place)?;
        let linked = before
            .as_ref()
            .zip(known.get(relative))
            .filter(|((folder, _), entry)| {
                entry.is_unchanged(metadata) && fs::hard_link(folder.join(relative), &place).is_ok()
            });
        match linked {
            Some((_, entry)) => listing.push((*entry).clone()),
            None => listing.extend(copy(&source, &place, relative, 0o600)?),
        }
        Ok(())
    })?;
    Ok(listing)
}

/// Writes a backup's media into a new folder, as they were, and checks each file on the way.
pub(crate) fn lay_out(from: &Path, listing: &Listing, to: &Path, like: &Path) -> Result<(), Error> {
    fs::create_dir(to).map_err(Error::io("create the folder", to))?;
    let owner = fs::metadata(like).ok();
    dress(
        to,
        owner.as_ref(),
        owner.as_ref().map_or(0o755, |like| like.mode() & 0o7777),
    )?;
    for entry in listing {
        let relative = entry.path();
        let inside = relative
            .components()
            .all(|c| matches!(c, std::path::Component::Normal(_)));
        let (source, place) = (from.join(&relative), to.join(&relative));
        let damaged = |why: &str| Error::Damaged {
            path: source.clone(),
            why: why.to_owned(),
        };
        if !inside {
            return Err(damaged(
                "the list of media names a path outside of the folder",
            ));
        }
        for folder in folders_to_make(to, &place) {
            fs::create_dir(&folder).map_err(Error::io("create the folder", &folder))?;
            dress(&folder, owner.as_ref(), 0o755)?;
        }
        let copied = copy(&source, &place, &relative, entry.mode)?;
        match copied {
            Some(copied) if copied.sha256 == entry.sha256 => {}
            Some(_) => {
                return Err(damaged(
                    "its bytes are not those that were written (SHA-256 differs)",
                ));
            }
            None => return Err(damaged("it is gone")),
        }
        dress(&place, owner.as_ref(), entry.mode)?;
    }
    Ok(())
}

/// Whether a backup's media are what was written down of them.
pub(crate) fn check(from: &Path, listing: &Listing) -> Result<(), Error> {
    for entry in listing {
        let path = from.join(entry.path());
        let damaged = |why: String| Error::Damaged {
            path: path.clone(),
            why,
        };
        let found = digest_of(&path).map_err(|error| damaged(error.to_string()))?;
        if found != entry.sha256 {
            return Err(damaged(
                "its bytes are not those that were written (SHA-256 differs)".into(),
            ));
        }
    }
    Ok(())
}

fn folders_to_make(root: &Path, place: &Path) -> Vec<PathBuf> {
    let parents = place
        .ancestors()
        .skip(1)
        .take_while(|folder| *folder != root);
    let mut missing: Vec<PathBuf> = parents
        .filter(|folder| !folder.exists())
        .map(Path::to_path_buf)
        .collect();
    missing.reverse();
    missing
}

/// Root gives everything to whom the live folder belongs.
fn dress(path: &Path, owner: Option<&fs::Metadata>, mode: u32) -> Result<(), Error> {
    if let Some(owner) = owner.filter(|_| rustix::process::geteuid().is_root()) {
        std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid()))
            .map_err(Error::io("give away", path))?;
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(Error::io("set the mode of", path))
}

/// Copies one file with its time; `None`: it has just been deleted.
fn copy(source: &Path, place: &Path, relative: &Path, mode: u32) -> Result<Option<Entry>, Error> {
    let metadata = match fs::metadata(source) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", source)(error)),
    };
    match fs::copy(source, place) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("copy", source)(error)),
    }
    let write = || Error::io("write", place);
    fs::set_permissions(place, Permissions::from_mode(mode)).map_err(write())?;
    let file = File::options().append(true).open(place).map_err(write())?;
    let modified_at = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    file.set_times(FileTimes::new().set_modified(modified_at))
        .map_err(write())?;
    file.sync_all().map_err(write())?;
    Ok(Some(Entry {
        path: percent_encode(relative.as_os_str().as_bytes(), ENCODED).to_string(),
        size: file.metadata().map_err(write())?.len(),
        modified: modified(&metadata),
        mode: metadata.mode() & 0o777,
        sha256: digest_of(place).map_err(Error::io("read", place))?,
    }))
}

fn make_parent(place: &Path) -> Result<(), Error> {
    let parent = place.parent().unwrap_or(place);
    fs::create_dir_all(parent).map_err(Error::io("create the folder", parent))
}

/// Visits every regular file below a folder, by its path from there. Links and devices are left out: what a link
/// points to is either in the folder already or none of its business.
fn walk(
    root: &Path,
    visit: &mut dyn FnMut(&Path, &fs::Metadata) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        let entries = fs::read_dir(&path).map_err(Error::io("list", &path))?;
        for entry in entries.flatten() {
            let relative = folder.join(entry.file_name());
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(relative),
                Ok(metadata) if metadata.is_file() => visit(&relative, &metadata)?,
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unchanged_media_are_kept_once_and_come_back_as_they_were() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("live/2026/11")).unwrap();
        let odd = std::ffi::OsString::from_vec(b"b%41\xff.jpg".to_vec());
        fs::write(at("live/2026/11/a.jpg"), "a").unwrap();
        fs::write(at("live").join(&odd), "odd").unwrap();
        let first = keep(&at("live"), &at("one"), None).unwrap();
        fs::write(at("live/2026/11/a.jpg"), "aa").unwrap();
        let one = at("one");
        let second = keep(&at("live"), &at("two"), Some((&one, &first))).unwrap();
        let links = |path: PathBuf| fs::metadata(path).unwrap().nlink();
        assert_eq!(links(at("two").join(&odd)), 2);
        assert_eq!(links(at("two/2026/11/a.jpg")), 1);
        assert_eq!(fs::read_to_string(at("one/2026/11/a.jpg")).unwrap(), "a");
        check(&at("two"), &second).unwrap();

        lay_out(&at("two"), &second, &at("back"), &at("live")).unwrap();
        assert_eq!(fs::read_to_string(at("back/2026/11/a.jpg")).unwrap(), "aa");
        assert_eq!(fs::read_to_string(at("back").join(&odd)).unwrap(), "odd");
        assert_eq!(size(&at("back")), 5);

        fs::write(at("two/2026/11/a.jpg"), "ab").unwrap();
        assert!(check(&at("two"), &second).is_err());
        let error = lay_out(&at("two"), &second, &at("again"), &at("live")).unwrap_err();
        assert!(error.to_string().contains("SHA-256"), "{error}");
    }
}
