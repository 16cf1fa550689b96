//! The build context: the folder's files as a tar archive, without what `.dockerignore` leaves out.

use std::io;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

/// The rules of a `.dockerignore`: the last that matches a path, or a folder above it, decides.
#[derive(Debug, Default)]
pub(crate) struct Ignore(Vec<(GlobMatcher, bool)>);

impl Ignore {
    /// Rules that cannot be read match nothing.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        let rules = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(rules.filter_map(rule).collect())
    }

    /// Whether `path`, relative to the context, is left out.
    pub(crate) fn leaves_out(&self, path: &Path) -> bool {
        let mut out = false;
        for (glob, ignores) in &self.0 {
            if path
                .ancestors()
                .any(|part| !part.as_os_str().is_empty() && glob.is_match(part))
            {
                out = *ignores;
            }
        }
        out
    }

    /// Whether something below an ignored folder may be wanted after all.
    fn has_exceptions(&self) -> bool {
        self.0.iter().any(|(_, ignores)| !ignores)
    }
}

fn rule(line: &str) -> Option<(GlobMatcher, bool)> {
    let (line, ignores) = match line.strip_prefix('!') {
        Some(rest) => (rest.trim(), false),
        None => (line, true),
    };
    let pattern = line.trim_start_matches("./").trim_matches('/');
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    Some((glob.ok()?.compile_matcher(), ignores))
}

/// Packs `root`. `extra` are files that are not in the folder, by their names in the archive.
pub(crate) fn pack(
    root: &Path,
    ignore: &Ignore,
    extra: &[(String, Vec<u8>)],
) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(false);
    add(&mut archive, root, Path::new(""), ignore)?;
    for (name, content) in extra {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content.as_slice())?;
    }
    archive.into_inner()
}

fn add(
    archive: &mut tar::Builder<Vec<u8>>,
    root: &Path,
    below: &Path,
    ignore: &Ignore,
) -> io::Result<()> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(root.join(below))?
        .map(|entry| entry.map(|entry| below.join(entry.file_name())))
        .collect::<io::Result<_>>()?;
    // The same files make the same archive, and the engine's cache holds.
    entries.sort();
    for path in entries {
        let full = root.join(&path);
        let kind = std::fs::symlink_metadata(&full)?.file_type();
        let out = ignore.leaves_out(&path);
        if kind.is_dir() {
            if !out {
                archive.append_dir(&path, &full)?;
            }
            if !out || ignore.has_exceptions() {
                add(archive, root, &path, ignore)?;
            }
        } else if !out && (kind.is_file() || kind.is_symlink()) {
            archive.append_path_with_name(&full, &path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_matches_decides() {
        let text = "# comment\n.git\n**/*.pyc\nmedia/\n*.md\n!README.md\n";
        let ignore = Ignore::parse(text);
        let out = |path: &str| ignore.leaves_out(Path::new(path));
        assert!(out(".git") && out(".git/config") && out("media/a/b.jpg"));
        assert!(out("a/b/c.pyc") && out("c.pyc") && out("NOTES.md"));
        assert!(!out("README.md") && !out("src/NOTES.md") && !out("manage.py"));
    }

    #[test]
    fn a_context_is_the_same_archive_as_long_as_its_files_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::fs::write(dir.path().join("a/x.py"), "1").unwrap();
        std::fs::write(dir.path().join("a/x.pyc"), "1").unwrap();
        std::os::unix::fs::symlink("x.py", dir.path().join("a/link")).unwrap();
        let ignore = Ignore::parse("**/*.pyc");
        let extra = [("Dockerfile.hotclub".to_owned(), b"FROM x".to_vec())];
        let packed = pack(dir.path(), &ignore, &extra).unwrap();
        assert_eq!(packed, pack(dir.path(), &ignore, &extra).unwrap());
        let mut archive = tar::Archive::new(packed.as_slice());
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["a", "a/link", "a/x.py", "Dockerfile.hotclub"]);
    }
}
