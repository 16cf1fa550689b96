//! Where the files are that the inputs name: the only way to the disk, so that everything else here is pure.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Files that can be asked for by absolute path.
pub trait Shelf {
    /// A text file; `None` when it is not there or cannot be read.
    fn read(&self, path: &Path) -> Option<String>;
    /// The names in a folder, sorted; empty when there is none.
    fn list(&self, dir: &Path) -> Vec<String>;
}

/// Files in memory.
impl Shelf for BTreeMap<PathBuf, String> {
    fn read(&self, path: &Path) -> Option<String> {
        self.get(path).cloned()
    }

    fn list(&self, dir: &Path) -> Vec<String> {
        let inside = self.keys().filter(|path| path.parent() == Some(dir));
        let names = inside.filter_map(|path| path.file_name()?.to_str());
        names.map(str::to_owned).collect()
    }
}

/// `base` and `path` without `.` and `..`: for comparison, not for opening beneath anything.
pub(crate) fn joined(base: &Path, path: &str) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// A path as `hotclub.toml` in `dir` writes it: relative when it is below.
pub(crate) fn relative(dir: &Path, path: &Path) -> String {
    if let Ok(below) = path.strip_prefix(dir) {
        return match below.as_os_str().is_empty() {
            true => ".".to_owned(),
            false => below.display().to_string(),
        };
    }
    path.display().to_string()
}

/// The files that a pattern of NGINX's `include` names: `*` and `?` in the last segment.
pub(crate) fn globbed(shelf: &dyn Shelf, pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().and_then(|name| name.to_str());
    let (Some(dir), Some(name)) = (pattern.parent(), name) else {
        return Vec::new();
    };
    if !name.contains(['*', '?']) {
        return vec![pattern.to_path_buf()];
    }
    let mut names = shelf.list(dir);
    names.retain(|other| fits(name, other) && (name.starts_with('.') || !other.starts_with('.')));
    names.sort();
    names.into_iter().map(|name| dir.join(name)).collect()
}

fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    // The star that was met last, and how much of the name it has taken.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, is) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("*", "", true),
            ("a?c*", "abcd", true),
            ("*a*b", "xaybzb", true),
            ("a", "ab", false),
        ] {
            assert_eq!(fits(pattern, name), is, "{pattern} {name}");
        }
    }

    #[test]
    fn paths_are_written_from_the_folder_of_the_file() {
        let dir = Path::new("/srv/site");
        assert_eq!(relative(dir, &joined(dir, "./src/../media/")), "media");
        assert_eq!(relative(dir, Path::new("/var/www")), "/var/www");
        assert_eq!(relative(dir, dir), ".");
    }
}
