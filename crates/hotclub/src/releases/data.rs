//! What a site writes among its code, and must not lose with the next release: uploads, and databases of SQLite.
//!
//! They move to the site's `data/`, and each release has a link in their place. What a later source brings along
//! there is left out: the site's own is newer.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use hotclub_django::give;
use serde::{Deserialize, Serialize};

use super::{Home, Release};
use crate::project::Project;

/// What SQLite writes beside a database.
const BESIDE_SQLITE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// One such place, relative to the code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    path: PathBuf,
    is_folder: bool,
}

/// Links what earlier releases of the site were found to write, before anybody asks the code.
pub(crate) fn link_what_is_known(release: &Release) -> io::Result<()> {
    let Some(home) = release.home() else {
        return Ok(());
    };
    known(&home)
        .iter()
        .try_for_each(|place| link(&home, release, place))
}

/// Links what the settings name; what is new of it.
pub(crate) fn keep(release: &Release, project: &Project) -> io::Result<Vec<PathBuf>> {
    let Some(home) = release.home() else {
        return Ok(Vec::new());
    };
    if project.contained.is_some() {
        // Its paths are those in the container: what it shares is written under [runtime] volumes.
        return Ok(Vec::new());
    }
    let mut all = known(&home);
    let mut new = Vec::new();
    for place in written(release, project) {
        if !all.iter().any(|known| place.path.starts_with(&known.path)) {
            all.push(place.clone());
            new.push(place);
        }
    }
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let mut fresh = tempfile::NamedTempFile::new_in(home.dir())?;
    serde_json::to_writer(&mut fresh, &all)?;
    fresh.as_file().sync_all()?;
    fresh.persist(listing(&home))?;
    new.iter()
        .try_for_each(|place| link(&home, release, place))?;
    if let Some(user) = project.user {
        // What the app writes is its user's; its code is not.
        give(&home.data(), user)?;
    }
    Ok(new.into_iter().map(|place| place.path).collect())
}

/// A folder among the code of `dir` that containers write: moved to where the site's are, with what is in it.
pub(crate) fn folder(release: &Release, dir: &Path, path: &Path) -> io::Result<PathBuf> {
    let (Some(home), Ok(path)) = (release.home(), path.strip_prefix(dir)) else {
        return Ok(path.to_owned());
    };
    let path = path.to_owned();
    if path.as_os_str().is_empty() {
        return Ok(release.source());
    }
    let kept = home.data().join(&path);
    let is_folder = true;
    link(&home, release, &Place { path, is_folder })?;
    Ok(kept)
}

/// Of a site that never served, nothing has to outlive its first release.
pub(crate) fn forget(home: &Home) -> io::Result<()> {
    for gone in [fs::remove_file(listing(home)), remove(&home.data())] {
        match gone {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::create_dir(home.data())
}

fn listing(home: &Home) -> PathBuf {
    home.dir().join("kept.json")
}

fn known(home: &Home) -> Vec<Place> {
    let text = fs::read(listing(home)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// What the settings place among the code; none of it holds code.
fn written(release: &Release, project: &Project) -> Vec<Place> {
    let inspection = &project.inspection;
    let at = &project.found.manage_dir;
    let media = inspection.media_root.iter();
    let media = media.filter(|root| !root.as_os_str().is_empty());
    let media = media.map(|root| (root.clone(), true));
    let databases = inspection.databases.iter().map(|(_, database)| database);
    let files = databases
        .filter(|database| database.is_sqlite() && !database.name.starts_with("file:"))
        .map(|database| (PathBuf::from(&database.name), false));
    let source = release.source();
    media
        .chain(files)
        .map(|(path, is_folder)| (at.join(path), is_folder))
        .filter(|(path, _)| !at.starts_with(path))
        .filter_map(|(path, is_folder)| {
            let path = path.strip_prefix(&source).ok()?.to_owned();
            Some(Place { path, is_folder })
        })
        .collect()
}

fn link(home: &Home, release: &Release, place: &Place) -> io::Result<()> {
    let here = release.source().join(&place.path);
    let kept = home.data().join(&place.path);
    if fs::read_link(&here).is_ok_and(|to| to == kept) {
        return Ok(());
    }
    if let Some(folder) = kept.parent() {
        fs::create_dir_all(folder)?;
    }
    let is_there = here.symlink_metadata().is_ok();
    match (kept.exists(), is_there) {
        (true, true) => remove(&here)?,
        (false, true) => {
            fs::rename(&here, &kept)?;
            for ending in BESIDE_SQLITE {
                let beside = |path: &Path| PathBuf::from(format!("{}{ending}", path.display()));
                if beside(&here).is_file() {
                    fs::rename(beside(&here), beside(&kept))?;
                }
            }
        }
        // A database is made by who opens it; a folder is not.
        (false, false) if place.is_folder => fs::create_dir_all(&kept)?,
        (_, false) => {}
    }
    if let Some(folder) = here.parent() {
        fs::create_dir_all(folder)?;
    }
    symlink(&kept, &here)
}

fn remove(path: &Path) -> io::Result<()> {
    match path.symlink_metadata()?.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}
