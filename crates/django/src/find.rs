//! Finds the Django project in a folder: where manage.py is, and where lock files are looked for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// How many folders below the given one manage.py may lie (`DIR/a/b/c/manage.py` is the deepest).
const DEPTH: usize = 3;

/// Folders that hold other people's manage.py, or none. Dot folders are left out as well.
const IGNORED: [&str; 6] = [
    "node_modules",
    "venv",
    "env",
    "site-packages",
    "__pycache__",
    "ENV",
];

/// A project on disk. Both paths are absolute and resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The folder that Hotclub was given.
    pub root: PathBuf,
    /// manage.py's folder: the working directory of every Django command.
    pub manage_dir: PathBuf,
}

#[derive(Debug, Error)]
pub enum FindError {
    #[error("{} is not a folder that can be read: {source}", dir.display())]
    Unreadable { dir: PathBuf, source: io::Error },
    #[error("no manage.py in {} or in its folders to depth {DEPTH}", dir.display())]
    NoManagePy { dir: PathBuf },
    #[error("several manage.py in {}:\n{}", dir.display(), listed(found))]
    Several { dir: PathBuf, found: Vec<PathBuf> },
    #[error("[app] dir is {}, but there is no manage.py in it", dir.display())]
    NotInAppDir { dir: PathBuf },
}

impl FindError {
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "name the folder of a Django project".into(),
            Self::NoManagePy { .. } => {
                "name the project's folder, or set `dir` under [app] in hotclub.toml".into()
            }
            Self::Several { found, .. } => format!(
                "say which one: `dir = \"{}\"` under [app] in hotclub.toml",
                found.first().map(|path| dir_of(path)).unwrap_or_default()
            ),
            Self::NotInAppDir { .. } => {
                "`dir` under [app] in hotclub.toml is the folder that manage.py is in".into()
            }
        }
    }
}

fn listed(found: &[PathBuf]) -> String {
    let lines: Vec<_> = found
        .iter()
        .map(|path| format!("  {}", path.display()))
        .collect();
    lines.join("\n")
}

fn dir_of(manage_py: &Path) -> String {
    manage_py
        .parent()
        .unwrap_or(Path::new(""))
        .display()
        .to_string()
}

/// Finds the project in `dir`. `app_dir` is `[app] dir`, relative to `dir`.
pub fn find(dir: &Path, app_dir: Option<&Path>) -> Result<Project, FindError> {
    let unreadable = |source| FindError::Unreadable {
        dir: dir.to_path_buf(),
        source,
    };
    let root = dir.canonicalize().map_err(unreadable)?;
    fs::read_dir(&root).map_err(unreadable)?;
    let manage_dir = match app_dir {
        Some(app_dir) => named(&root, app_dir)?,
        None => searched(&root)?,
    };
    Ok(Project { root, manage_dir })
}

fn named(root: &Path, app_dir: &Path) -> Result<PathBuf, FindError> {
    let dir = root.join(app_dir);
    let missing = || FindError::NotInAppDir { dir: dir.clone() };
    let dir = dir.canonicalize().map_err(|_| missing())?;
    if dir.join("manage.py").is_file() {
        Ok(dir)
    } else {
        Err(missing())
    }
}

fn searched(root: &Path) -> Result<PathBuf, FindError> {
    let mut found = Vec::new();
    search(root, DEPTH, &mut found);
    found.sort();
    match found.as_slice() {
        [] => Err(FindError::NoManagePy {
            dir: root.to_path_buf(),
        }),
        [only] => Ok(only.clone()),
        several => {
            let relative =
                |path: &PathBuf| path.strip_prefix(root).unwrap_or(path).join("manage.py");
            let found = several.iter().map(relative).collect();
            Err(FindError::Several {
                dir: root.to_path_buf(),
                found,
            })
        }
    }
}

/// Does not follow links to folders: they could lead out of the project or in a circle.
fn search(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    if dir.join("manage.py").is_file() {
        found.push(dir.to_path_buf());
    }
    if depth == 0 {
        return;
    }
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir && !is_ignored(&entry.path()) {
            search(&entry.path(), depth - 1, found);
        }
    }
}

/// Whether a folder belongs to tools rather than to the project.
pub(crate) fn is_ignored(dir: &Path) -> bool {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || IGNORED.contains(&&*name) || dir.join("pyvenv.cfg").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    #[test]
    fn a_src_layout_is_found_and_its_root_stays_the_given_folder() {
        let dir = tree(&["src/manage.py", "poetry.lock"]);
        let project = find(dir.path(), None).unwrap();
        assert_eq!(project.manage_dir, project.root.join("src"));
    }

    #[test]
    fn two_manage_py_are_listed_and_the_hint_names_the_key() {
        let dir = tree(&["a/manage.py", "b/manage.py"]);
        let error = find(dir.path(), None).unwrap_err();
        assert!(
            error.to_string().contains("  a/manage.py\n  b/manage.py"),
            "{error}"
        );
        assert!(error.hint().contains("dir = \"a\""), "{}", error.hint());
        let project = find(dir.path(), Some(Path::new("b"))).unwrap();
        assert_eq!(project.manage_dir, project.root.join("b"));
    }

    #[test]
    fn folders_of_tools_and_deep_ones_are_not_searched() {
        let dir = tree(&[
            "node_modules/x/manage.py",
            ".hotclub/manage.py",
            "venv/manage.py",
            "mine/pyvenv.cfg",
            "mine/manage.py",
            "a/b/c/d/manage.py",
        ]);
        assert!(matches!(
            find(dir.path(), None),
            Err(FindError::NoManagePy { .. })
        ));
    }

    #[test]
    fn a_wrong_app_dir_is_an_error_that_says_so() {
        let dir = tree(&["src/manage.py"]);
        let error = find(dir.path(), Some(Path::new("app"))).unwrap_err();
        assert!(matches!(error, FindError::NotInAppDir { .. }));
    }
}
