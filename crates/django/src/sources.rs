//! Notices whether a project's sources changed, by names, sizes and times; reads no content.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::find::{Project, is_ignored};

/// Files that count wherever they lie in the project.
const KINDS: [&str; 8] = ["py", "html", "txt", "toml", "cfg", "ini", "json", "env"];

/// Folders in which every file counts.
const WHOLE: [&str; 6] = [
    "static",
    "staticfiles",
    "assets",
    "templates",
    "jinja2",
    "locale",
];

/// Of *.py, templates and static folders of the project, its .env files, and everything that `also`
/// names (files, or folders such as STATICFILES_DIRS); nothing below `without` (STATIC_ROOT, MEDIA_ROOT).
pub fn digest_of_sources(project: &Project, also: &[PathBuf], without: &[PathBuf]) -> String {
    let mut found = Vec::new();
    let mut roots = vec![(project.root.clone(), false)];
    if !project.manage_dir.starts_with(&project.root) {
        roots.push((project.manage_dir.clone(), false));
    }
    roots.extend(also.iter().map(|dir| (dir.clone(), true)));
    for (root, whole) in roots {
        if root.is_file() {
            note(root, &mut found);
            continue;
        }
        gather(&root, whole, without, &mut found);
    }
    digest(found)
}

/// Of these files alone.
pub(crate) fn digest_of_files(files: &[PathBuf]) -> String {
    let mut found = Vec::new();
    files.iter().for_each(|file| note(file.clone(), &mut found));
    digest(found)
}

fn digest(mut found: Vec<(PathBuf, u64, i64, i64)>) -> String {
    found.sort();
    found.dedup();
    let mut digest = Sha256::new();
    for (path, size, seconds, nanoseconds) in found {
        digest.update(path.as_os_str().as_encoded_bytes());
        digest.update([0]);
        for number in [size.cast_signed(), seconds, nanoseconds] {
            digest.update(number.to_le_bytes());
        }
    }
    digest
        .finalize()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn gather(dir: &Path, whole: bool, without: &[PathBuf], found: &mut Vec<(PathBuf, u64, i64, i64)>) {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            if !is_ignored(&path) && !without.contains(&path) {
                let name = name.to_string_lossy();
                gather(&path, whole || WHOLE.contains(&&*name), without, found);
            }
        } else if whole || counts(&path) {
            note(path, found);
        }
    }
}

fn note(path: PathBuf, found: &mut Vec<(PathBuf, u64, i64, i64)>) {
    if let Ok(metadata) = fs::metadata(&path) {
        found.push((
            path,
            metadata.size(),
            metadata.mtime(),
            metadata.mtime_nsec(),
        ));
    }
}

fn counts(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    name.starts_with(".env") || KINDS.contains(&&*extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_template_counts_and_a_log_or_an_upload_does_not() {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            "manage.py",
            "a/templates/x.html",
            "media/up.html",
            "node_modules/x.py",
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "1").unwrap();
        }
        let project = crate::find::find(dir.path(), None).unwrap();
        let media = [project.root.join("media")];
        let before = digest_of_sources(&project, &[], &media);
        fs::write(dir.path().join("debug.log"), "x").unwrap();
        fs::write(dir.path().join("media/up.html"), "longer").unwrap();
        fs::write(dir.path().join("node_modules/x.py"), "longer").unwrap();
        assert_eq!(digest_of_sources(&project, &[], &media), before);
        let named = [project.root.join("debug.log")];
        assert_ne!(digest_of_sources(&project, &named, &media), before);
        fs::write(dir.path().join("a/templates/x.html"), "longer").unwrap();
        assert_ne!(digest_of_sources(&project, &[], &media), before);
    }
}
