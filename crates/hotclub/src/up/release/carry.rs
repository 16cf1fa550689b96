//! Files whose names Django hashed stay reachable from the releases before: a page that was sent by the old code, or
//! lies in a cache, names the old ones.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use hotclub_django::collect::Static;
use hotclub_django::compress::SIBLINGS;

use crate::releases::Release;

/// The names that came from other releases.
pub(crate) fn listing(files: &Static) -> PathBuf {
    files.hashed.with_file_name("static.carried.json")
}

/// Links what the other releases of the site hashed into the files of this one.
pub(super) fn into(release: &Release, files: &Static) -> io::Result<()> {
    let Some(home) = release.home() else {
        return Ok(());
    };
    let mut carried = Vec::new();
    for other in home.releases() {
        if other == *release {
            continue;
        }
        let from = other.static_dir();
        for name in hashed(&from) {
            if link(&from, &files.dir, &name)? {
                carried.push(name);
            }
        }
    }
    carried.sort();
    carried.dedup();
    let mut fresh = tempfile::NamedTempFile::new_in(files.dir.parent().unwrap_or(&release.dir))?;
    serde_json::to_writer(&mut fresh, &carried)?;
    fresh.persist(listing(files))?;
    Ok(())
}

/// The names that these files had when they were collected.
fn hashed(files: &Path) -> Vec<String> {
    let text = fs::read(files.with_file_name("static.hashed.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Whether the file is there afterwards, and not one of the release's own.
fn link(from: &Path, to: &Path, name: &str) -> io::Result<bool> {
    let (source, target) = (from.join(name), to.join(name));
    let siblings = SIBLINGS.iter().map(|ending| format!("{name}.{ending}"));
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    let is_there = linked(&source, &target)?;
    for sibling in siblings {
        linked(&from.join(&sibling), &to.join(&sibling))?;
    }
    Ok(is_there)
}

fn linked(source: &Path, target: &Path) -> io::Result<bool> {
    match fs::hard_link(source, target) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(true),
        // Pruned meanwhile, or never compressed.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
