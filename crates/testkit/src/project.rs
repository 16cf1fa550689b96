//! Django projects in folders of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::python::{Python, python, run};

/// The repository's folder.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// A folder that everybody may pass, PostgreSQL's user included, and that is removed in the end.
pub fn folder() -> TempDir {
    let everybody = fs::Permissions::from_mode(0o755);
    let mut builder = tempfile::Builder::new();
    builder
        .prefix("hotclub-test-")
        .permissions(everybody)
        .tempdir()
        .expect("a folder can be made")
}

/// A project and its state, gone when dropped.
#[derive(Debug)]
pub struct Project {
    base: PathBuf,
    dir: PathBuf,
    _folder: TempDir,
}

impl Project {
    /// A project without files.
    pub fn empty() -> Self {
        let folder = folder();
        let base = folder.path().canonicalize().expect("the folder is there");
        let dir = base.join("site");
        fs::create_dir(&dir).expect("a folder can be made");
        fs::create_dir(base.join("state")).expect("a folder can be made");
        Self {
            base,
            dir,
            _folder: folder,
        }
    }

    /// `django-admin startproject NAME .`, with Django and `more` in requirements.txt.
    pub fn startproject(python: &Python, name: &str, more: &[&str]) -> Self {
        let project = Self::empty();
        python.run(project.dir(), &["-m", "django", "startproject", name, "."]);
        let packages: Vec<_> = ["Django"]
            .iter()
            .chain(more)
            .map(|name| python.pinned(name))
            .collect();
        project.write("requirements.txt", &(packages.join("\n") + "\n"));
        project
    }

    /// What a generator of the virtualenv makes: `wagtail start …`.
    pub fn generated(python: &Python, program: &str, arguments: &[&str]) -> Self {
        let project = Self::empty();
        run(&mut project.generator(python, program, arguments));
        project
    }

    /// Runs a program of the virtualenv in the project; what it said. pip installs nothing, so that the
    /// virtualenv stays as it is; that the program then stops is no failure.
    pub fn adds_to_itself(&self, python: &Python, program: &str, arguments: &[&str]) -> String {
        let mut command = self.generator(python, program, arguments);
        let output = command
            .env("PIP_DRY_RUN", "1")
            .output()
            .expect("it can be started");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn generator(&self, python: &Python, program: &str, arguments: &[&str]) -> Command {
        let bin = python
            .path()
            .parent()
            .expect("the interpreter is in a folder");
        let path = format!(
            "{}:{}",
            bin.display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let mut command = Command::new(python.program(program));
        command
            .args(arguments)
            .env("PATH", path)
            .current_dir(self.dir());
        command
    }

    /// A copy of a folder of the repository, without what is not in git.
    pub fn copy_of(path: &str) -> Self {
        let project = Self::empty();
        let listed = run(Command::new("git")
            .args(["ls-files", "-z", path])
            .current_dir(repository()));
        for name in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
            let to = project.dir.join(
                Path::new(name)
                    .strip_prefix(path)
                    .expect("git lists what was asked for"),
            );
            fs::create_dir_all(to.parent().expect("a file is in a folder"))
                .expect("a folder can be made");
            fs::copy(repository().join(name), to).expect("a file can be copied");
        }
        project
    }

    /// The project's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder that holds project and state.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// A folder with uv alone, which installs packages several times as fast as pip.
    pub(crate) fn tools(&self) -> PathBuf {
        let folder = self.base.join("tools");
        let uv = python()
            .ok()
            .map(|python| python.program("uv"))
            .filter(|uv| uv.exists());
        if let Some(uv) = uv
            && fs::create_dir(&folder).is_ok()
        {
            std::os::unix::fs::symlink(uv, folder.join("uv")).expect("a link can be made");
        }
        folder
    }

    /// For what cannot be kept in the project.
    pub fn state(&self) -> PathBuf {
        self.base.join("state")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file is in a folder"))
            .expect("a folder can be made");
        // Written beside and renamed, as editors do it: nobody reads half a file.
        let beside = path.with_extension("new");
        fs::write(&beside, text)
            .and_then(|()| fs::rename(&beside, path))
            .expect("a file can be written");
        self
    }

    pub fn append(&self, name: &str, text: &str) -> &Self {
        let before = self.read(name);
        self.write(name, &(before + text))
    }

    /// Replaces a text that must be there.
    #[track_caller]
    pub fn edit(&self, name: &str, from: &str, to: &str) -> &Self {
        let before = self.read(name);
        assert!(before.contains(from), "{from:?} is not in {name}");
        self.write(name, &before.replace(from, to))
    }

    /// Every path below the project but Hotclub's own folder, sorted: what a command may not change.
    pub fn tree(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.dir.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_name() == ".hotclub" || entry.file_name() == "__pycache__" {
                    continue;
                }
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path.clone());
                }
                found.push(
                    path.strip_prefix(&self.dir)
                        .expect("it is below")
                        .to_owned(),
                );
            }
        }
        found.sort();
        found
    }
}
