//! The Python files of the worker, carried in the binary and laid out in a folder at start.

use std::io;
use std::path::{Path, PathBuf};

/// Every file of `python/hotclub_worker`; a test compares this with the folder.
const FILES: &[(&str, &str)] = &[
    (
        "__init__.py",
        include_str!("../../../python/hotclub_worker/__init__.py"),
    ),
    (
        "__main__.py",
        include_str!("../../../python/hotclub_worker/__main__.py"),
    ),
    (
        "answer.py",
        include_str!("../../../python/hotclub_worker/answer.py"),
    ),
    (
        "board.py",
        include_str!("../../../python/hotclub_worker/board.py"),
    ),
    (
        "caches.py",
        include_str!("../../../python/hotclub_worker/caches.py"),
    ),
    (
        "control.py",
        include_str!("../../../python/hotclub_worker/control.py"),
    ),
    (
        "databases.py",
        include_str!("../../../python/hotclub_worker/databases.py"),
    ),
    (
        "django_hook.py",
        include_str!("../../../python/hotclub_worker/django_hook.py"),
    ),
    (
        "files.py",
        include_str!("../../../python/hotclub_worker/files.py"),
    ),
    (
        "fork_server.py",
        include_str!("../../../python/hotclub_worker/fork_server.py"),
    ),
    (
        "head.py",
        include_str!("../../../python/hotclub_worker/head.py"),
    ),
    (
        "idle.py",
        include_str!("../../../python/hotclub_worker/idle.py"),
    ),
    (
        "load.py",
        include_str!("../../../python/hotclub_worker/load.py"),
    ),
    (
        "measure.py",
        include_str!("../../../python/hotclub_worker/measure.py"),
    ),
    (
        "meter.py",
        include_str!("../../../python/hotclub_worker/meter.py"),
    ),
    (
        "report.py",
        include_str!("../../../python/hotclub_worker/report.py"),
    ),
    (
        "rubbish.py",
        include_str!("../../../python/hotclub_worker/rubbish.py"),
    ),
    (
        "templates.py",
        include_str!("../../../python/hotclub_worker/templates.py"),
    ),
    (
        "tuning.py",
        include_str!("../../../python/hotclub_worker/tuning.py"),
    ),
    (
        "wire.py",
        include_str!("../../../python/hotclub_worker/wire.py"),
    ),
    (
        "worker.py",
        include_str!("../../../python/hotclub_worker/worker.py"),
    ),
    (
        "wsgi.py",
        include_str!("../../../python/hotclub_worker/wsgi.py"),
    ),
];

/// Writes the worker's files beneath `state` unless they are there, and returns the folder to run.
/// The folder's name depends on the files' content, so that two versions never mix.
///
/// # Errors
/// When the folder cannot be written.
pub fn unpack(state: &Path) -> io::Result<PathBuf> {
    let folder = state
        .join(format!("python-{:016x}", digest()))
        .join("hotclub_worker");
    if folder.join("__main__.py").exists() {
        return Ok(folder);
    }
    let parent = folder.parent().unwrap_or(state);
    let fresh = state.join(format!("python-new-{}", std::process::id()));
    let inside = fresh.join("hotclub_worker");
    std::fs::create_dir_all(&inside)?;
    for (name, text) in FILES {
        std::fs::write(inside.join(name), text)?;
    }
    match std::fs::rename(&fresh, parent) {
        Ok(()) => Ok(folder),
        // Another process was first, with the same files.
        Err(_) if folder.join("__main__.py").exists() => {
            std::fs::remove_dir_all(&fresh)?;
            Ok(folder)
        }
        Err(error) => Err(error),
    }
}

/// FNV-1a over names and contents: it only has to tell versions apart.
fn digest() -> u64 {
    let bytes = FILES
        .iter()
        .flat_map(|(name, text)| name.bytes().chain([0]).chain(text.bytes()));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_worker_is_carried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/hotclub_worker");
        let mut there: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".py"))
            .collect();
        there.sort();
        let carried: Vec<_> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(carried, there);
    }

    #[test]
    fn unpacking_twice_gives_the_same_folder() {
        let state = tempfile::tempdir().unwrap();
        let first = unpack(state.path()).unwrap();
        assert!(first.join("__main__.py").exists());
        assert_eq!(unpack(state.path()).unwrap(), first);
    }
}
