//! The names that Django hashed at collect time (`site.55e7cbb9ba48.css`): their content never
//! changes, so browsers may keep them for good.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::path;

/// How many hexadecimal digits Django puts into a name.
const DIGITS: usize = 12;

/// Names beneath a mount's root whose content never changes. Cheap to clone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HashedNames {
    names: Arc<HashSet<Box<[u8]>>>,
    by_pattern: bool,
}

/// What can be wrong with a list of hashed names.
#[derive(Debug, thiserror::Error)]
pub enum HashedNamesError {
    #[error("the list of hashed names {} cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{} is neither a JSON list of names nor a manifest of Django's staticfiles",
        path.display()
    )]
    Malformed {
        path: PathBuf,
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Listing {
    Names(Vec<String>),
    /// Django's `staticfiles.json`: original name → hashed name.
    Manifest {
        paths: HashMap<String, String>,
    },
}

impl HashedNames {
    /// Reads a JSON list of names relative to the mount's root, or a `staticfiles.json` as Django's
    /// ManifestStaticFilesStorage writes it.
    ///
    /// # Errors
    /// When the file cannot be read or is of neither form.
    pub fn load(path: &Path) -> Result<Self, HashedNamesError> {
        let text = std::fs::read(path).map_err(|source| HashedNamesError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let listing =
            serde_json::from_slice(&text).map_err(|source| HashedNamesError::Malformed {
                path: path.to_owned(),
                source,
            })?;
        Ok(match listing {
            Listing::Names(names) => names.into_iter().collect(),
            Listing::Manifest { paths } => paths
                .into_iter()
                .filter(|(original, hashed)| original != hashed)
                .map(|(_, hashed)| hashed)
                .collect(),
        })
    }

    /// Also takes names of the form `name.0123456789ab.ext` for hashed: for static folders that
    /// Django filled but whose manifest is not at hand.
    #[must_use]
    pub fn or_by_pattern(mut self) -> Self {
        self.by_pattern = true;
        self
    }

    /// Whether the content of `name`, relative to the root, never changes.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.names.contains(name) || (self.by_pattern && looks_hashed(name))
    }
}

impl<N: Into<Vec<u8>>> FromIterator<N> for HashedNames {
    fn from_iter<I: IntoIterator<Item = N>>(names: I) -> Self {
        let names = names.into_iter().map(|name| name.into().into_boxed_slice());
        Self {
            names: Arc::new(names.collect()),
            by_pattern: false,
        }
    }
}

/// Django writes the digest before the last extension, or at the end where there is none.
fn looks_hashed(name: &[u8]) -> bool {
    let mut pieces = path::name(name).rsplit(|&byte| byte == b'.');
    let last = pieces.next().unwrap_or_default();
    let before = pieces.next();
    let is_digest = |piece: &[u8]| {
        piece.len() == DIGITS
            && piece
                .iter()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    match before {
        None => false,
        Some(before) => is_digest(last) || (pieces.next().is_some() && is_digest(before)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Result<HashedNames, HashedNamesError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names.json");
        std::fs::write(&path, text).unwrap();
        HashedNames::load(&path)
    }

    #[test]
    fn a_list_and_a_manifest_of_django_are_read() {
        let list = loaded(r#"["css/a.0123456789ab.css"]"#).unwrap();
        assert!(list.contains(b"css/a.0123456789ab.css"));
        assert!(!list.contains(b"css/a.css"));
        let manifest = loaded(
            r#"{"paths": {"a.css": "a.55e7cbb9ba48.css", "raw.txt": "raw.txt"}, "version": "1.1", "hash": "x"}"#,
        )
        .unwrap();
        assert!(manifest.contains(b"a.55e7cbb9ba48.css"));
        assert!(!manifest.contains(b"a.css"));
        assert!(!manifest.contains(b"raw.txt"));
    }

    #[test]
    fn other_files_are_refused_with_their_name() {
        for text in ["", "{}", "[1]", r#"{"paths": []}"#] {
            let error = loaded(text).unwrap_err();
            assert!(error.to_string().contains("names.json"), "{text}");
        }
        let missing = HashedNames::load(Path::new("/nonexistent/names.json")).unwrap_err();
        assert!(matches!(missing, HashedNamesError::Unreadable { .. }));
    }

    #[test]
    fn the_pattern_is_that_of_django_only() {
        let names = HashedNames::default().or_by_pattern();
        for (name, hashed) in [
            ("css/a.55e7cbb9ba48.css", true),
            ("LICENSE.55e7cbb9ba48", true),
            ("jquery.min.55e7cbb9ba48.js", true),
            ("a.css", false),
            ("55e7cbb9ba48.css", false),
            ("a.55E7CBB9BA48.css", false),
            ("a.55e7cbb9ba4.css", false),
            ("a.55e7cbb9ba48.min.css", false),
            ("a.55e7cbb9ba48/b.css", false),
        ] {
            assert_eq!(names.contains(name.as_bytes()), hashed, "{name}");
        }
        assert!(!HashedNames::default().contains(b"a.55e7cbb9ba48.css"));
    }
}
