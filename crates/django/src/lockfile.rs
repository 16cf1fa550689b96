//! Which file says what the project depends on, and which tool it belongs to.

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::find::Project;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Uv,
    Poetry,
    Pipenv,
    Pdm,
    Requirements,
    /// A pyproject.toml without a lock file: `[project] dependencies`.
    Pyproject,
}

impl Tool {
    pub fn name(self) -> &'static str {
        match self {
            Self::Uv => "uv",
            Self::Poetry => "poetry",
            Self::Pipenv => "pipenv",
            Self::Pdm => "pdm",
            Self::Requirements => "requirements",
            Self::Pyproject => "pyproject",
        }
    }
}

/// What decides about the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependencies {
    pub tool: Tool,
    /// Absolute.
    pub file: PathBuf,
}

const LOCKS: [(&str, Tool); 4] = [
    ("uv.lock", Tool::Uv),
    ("poetry.lock", Tool::Poetry),
    ("Pipfile.lock", Tool::Pipenv),
    ("pdm.lock", Tool::Pdm),
];

/// Requirements for production, the most telling name first. A requirements.txt at the top usually
/// includes the right one of the others.
const REQUIREMENTS: [&str; 11] = [
    "requirements.txt",
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements-production.txt",
    "requirements-prod.txt",
    "requirements_production.txt",
    "requirements_prod.txt",
    "requirements/requirements.txt",
    "requirements/base.txt",
    "requirements/common.txt",
    "requirements/main.txt",
];

#[derive(Debug, Error)]
pub enum LockfileError {
    #[error("{} compete for the project's dependencies", listed(files))]
    Competing { files: Vec<PathBuf> },
    #[error("nothing in {} says which packages the project needs", root.display())]
    NoDependencies { root: PathBuf },
    #[error("{} is not locked: its tool ({tool}) has written no lock file", file.display())]
    NotLocked {
        file: PathBuf,
        tool: &'static str,
        command: &'static str,
    },
    #[error("[app] dependencies is {}, which is not there", file.display())]
    Missing { file: PathBuf },
    #[error("[app] dependencies is {}, which is no lock file that Hotclub knows", file.display())]
    Unknown { file: PathBuf },
}

impl LockfileError {
    pub fn hint(&self) -> String {
        match self {
            Self::Competing { files } => {
                let first = files.first().map(|file| file.display().to_string());
                let first = first.unwrap_or_default();
                format!(
                    "say which one decides: `dependencies = \"{first}\"` under [app] in \
                     hotclub.toml, or delete the one that is not used"
                )
            }
            Self::NoDependencies { .. } => {
                "write a requirements.txt (one line is enough: Django), or lock the project with \
                 uv, Poetry, Pipenv or PDM"
                    .into()
            }
            Self::NotLocked { command, .. } => format!("run `{command}` and commit what it writes"),
            Self::Missing { .. } => "the path is relative to the project's folder".into(),
            Self::Unknown { .. } => {
                "name a uv.lock, poetry.lock, Pipfile.lock, pdm.lock, pyproject.toml or a \
                 requirements file (*.txt)"
                    .into()
            }
        }
    }
}

fn listed(files: &[PathBuf]) -> String {
    let names: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    names.join(" and ")
}

/// Decides. `chosen` is `[app] dependencies`, relative to the project's root.
pub fn detect(project: &Project, chosen: Option<&Path>) -> Result<Dependencies, LockfileError> {
    if let Some(chosen) = chosen {
        return named(&project.root.join(chosen));
    }
    for dir in folders(project) {
        if let Some(found) = in_folder(project, &dir)? {
            return Ok(found);
        }
    }
    for dir in folders(project) {
        if let Some(found) = unlocked(&dir)? {
            return Ok(found);
        }
    }
    Err(LockfileError::NoDependencies {
        root: project.root.clone(),
    })
}

/// From manage.py's folder up to the root.
pub(crate) fn folders(project: &Project) -> Vec<PathBuf> {
    let above = project.manage_dir.ancestors();
    let mut found: Vec<PathBuf> = above
        .take_while(|dir| dir.starts_with(&project.root))
        .map(Path::to_path_buf)
        .collect();
    if found.is_empty() {
        found = vec![project.manage_dir.clone(), project.root.clone()];
    }
    found
}

fn named(file: &Path) -> Result<Dependencies, LockfileError> {
    if !file.is_file() {
        return Err(LockfileError::Missing {
            file: file.to_path_buf(),
        });
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let lock = LOCKS
        .iter()
        .find(|(lock, _)| *lock == name)
        .map(|(_, tool)| *tool);
    let tool = match lock {
        Some(tool) => tool,
        None if name == "pyproject.toml" => Tool::Pyproject,
        None if name.ends_with(".txt") || name.ends_with(".in") => Tool::Requirements,
        None => {
            return Err(LockfileError::Unknown {
                file: file.to_path_buf(),
            });
        }
    };
    Ok(Dependencies {
        tool,
        file: file.to_path_buf(),
    })
}

fn in_folder(project: &Project, dir: &Path) -> Result<Option<Dependencies>, LockfileError> {
    let locks = LOCKS.iter().map(|(name, tool)| (dir.join(name), *tool));
    let mut found: Vec<(PathBuf, Tool)> = locks.filter(|(file, _)| file.is_file()).collect();
    found.extend(requirements(dir).map(|file| (file, Tool::Requirements)));
    if found.len() > 1 {
        let root = &project.root;
        let relative = |file: &PathBuf| file.strip_prefix(root).unwrap_or(file).to_path_buf();
        let files = found.iter().map(|(file, _)| relative(file)).collect();
        return Err(LockfileError::Competing { files });
    }
    Ok(found.pop().map(|(file, tool)| Dependencies { tool, file }))
}

fn requirements(dir: &Path) -> Option<PathBuf> {
    let known = REQUIREMENTS
        .iter()
        .map(|name| dir.join(name))
        .find(|file| file.is_file());
    known.or_else(|| only_other_requirements(dir))
}

/// `requirements-linux.txt` and the like, when it is the only one that is not for developers.
fn only_other_requirements(dir: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| is_other_requirements(path)).collect();
    if found.len() == 1 { found.pop() } else { None }
}

fn is_other_requirements(path: &Path) -> bool {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let for_developers = ["dev", "test", "local", "doc", "lint", "ci"]
        .iter()
        .any(|word| name.contains(word));
    name.starts_with("requirements") && name.ends_with(".txt") && !for_developers && path.is_file()
}

/// A folder without lock files: a pyproject.toml that names dependencies, or a tool's own file that
/// was never locked.
fn unlocked(dir: &Path) -> Result<Option<Dependencies>, LockfileError> {
    let pipfile = dir.join("Pipfile");
    if pipfile.is_file() {
        let (tool, command) = ("Pipenv", "pipenv lock");
        return Err(LockfileError::NotLocked {
            file: pipfile,
            tool,
            command,
        });
    }
    let file = dir.join("pyproject.toml");
    let content = fs::read_to_string(&file).ok();
    let Some(content) = content.and_then(|text| text.parse::<toml::Table>().ok()) else {
        return Ok(None);
    };
    if content
        .get("project")
        .and_then(|project| project.get("dependencies"))
        .is_some()
    {
        return Ok(Some(Dependencies {
            tool: Tool::Pyproject,
            file,
        }));
    }
    let poetry = content.get("tool").and_then(|tool| tool.get("poetry"));
    if poetry
        .and_then(|poetry| poetry.get("dependencies"))
        .is_some()
    {
        let (tool, command) = ("Poetry", "poetry lock");
        return Err(LockfileError::NotLocked {
            file,
            tool,
            command,
        });
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Project) {
        let dir = tempfile::tempdir().unwrap();
        for (file, content) in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let project = crate::find::find(dir.path(), None).unwrap();
        (dir, project)
    }

    fn detected(files: &[(&str, &str)]) -> Result<(Tool, String), LockfileError> {
        let (_dir, project) = project(files);
        let found = detect(&project, None)?;
        let file = found
            .file
            .strip_prefix(&project.root)
            .unwrap()
            .display()
            .to_string();
        Ok((found.tool, file))
    }

    #[test]
    fn a_lock_file_beside_pyproject_is_no_competition() {
        let found = detected(&[("manage.py", ""), ("pyproject.toml", ""), ("uv.lock", "")]);
        assert_eq!(found.unwrap(), (Tool::Uv, "uv.lock".into()));
    }

    #[test]
    fn the_lock_file_above_a_src_folder_is_found() {
        let found = detected(&[("src/manage.py", ""), ("poetry.lock", "")]);
        assert_eq!(found.unwrap(), (Tool::Poetry, "poetry.lock".into()));
    }

    #[test]
    fn two_lock_files_compete_and_the_hint_names_the_key_that_decides() {
        for other in ["poetry.lock", "requirements.txt"] {
            let files = [("manage.py", ""), ("uv.lock", ""), (other, "")];
            let error = detected(&files).unwrap_err();
            assert!(
                error.to_string().contains(&format!("uv.lock and {other}")),
                "{error}"
            );
            assert!(
                error.hint().contains("dependencies = \"uv.lock\""),
                "{}",
                error.hint()
            );
            let (_dir, project) = project(&files);
            let chosen = detect(&project, Some(Path::new(other))).unwrap();
            assert_eq!(chosen.file, project.root.join(other));
        }
    }

    #[test]
    fn requirements_for_production_are_chosen_and_developers_are_left_out() {
        let found = detected(&[
            ("manage.py", ""),
            ("requirements/dev.txt", ""),
            ("requirements/base.txt", ""),
            ("requirements/prod.txt", ""),
        ]);
        assert_eq!(found.unwrap().1, "requirements/prod.txt");
        let found = detected(&[
            ("manage.py", ""),
            ("requirements-dev.txt", ""),
            ("requirements-linux.txt", ""),
        ]);
        assert_eq!(found.unwrap().1, "requirements-linux.txt");
    }

    #[test]
    fn a_bare_pyproject_serves_and_an_unlocked_poetry_project_is_told_to_lock() {
        let bare = "[project]\nname = 'x'\nversion = '1'\ndependencies = ['Django']\n";
        let found = detected(&[("manage.py", ""), ("pyproject.toml", bare)]);
        assert_eq!(found.unwrap().0, Tool::Pyproject);
        let poetry = "[tool.poetry.dependencies]\ndjango = '*'\n";
        let error = detected(&[("manage.py", ""), ("pyproject.toml", poetry)]).unwrap_err();
        assert!(error.hint().contains("poetry lock"), "{}", error.hint());
    }

    #[test]
    fn a_project_that_names_no_dependencies_is_an_error_with_a_way_out() {
        let error = detected(&[("manage.py", ""), ("pyproject.toml", "[tool.ruff]")]).unwrap_err();
        assert!(matches!(error, LockfileError::NoDependencies { .. }));
    }
}
