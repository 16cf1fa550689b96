//! The virtualenv of the tests: Django, psycopg, Pillow, wagtail and django CMS.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::project::repository;

/// An interpreter that has what `xtask/python-requirements.txt` lists.
#[derive(Clone, Debug)]
pub struct Python(PathBuf);

/// `HOTCLUB_TEST_PYTHON`, else what `cargo xtask setup` made, else the reason why there is none.
pub fn python() -> Result<Python, String> {
    let named = std::env::var_os("HOTCLUB_TEST_PYTHON").map(PathBuf::from);
    let made = repository().join("target/tools/venv/bin/python");
    let path = named.unwrap_or(made);
    if path.exists() {
        Ok(Python(path))
    } else {
        Err("the virtualenv of the tests is missing (`cargo xtask setup` makes it)".to_owned())
    }
}

impl Python {
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A program of the virtualenv.
    pub fn program(&self, name: &str) -> PathBuf {
        self.0.with_file_name(name)
    }

    /// Runs it to its end in `folder`; panics with its output unless it succeeds.
    #[track_caller]
    pub fn run(&self, folder: &Path, arguments: &[&str]) -> Output {
        run(Command::new(&self.0).args(arguments).current_dir(folder))
    }

    /// The version of an installed package, as a requirement that pins it.
    pub fn pinned(&self, package: &str) -> String {
        let code = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))";
        let output = self.run(Path::new("/"), &["-c", code, package]);
        format!(
            "{package}=={}",
            String::from_utf8_lossy(&output.stdout).trim()
        )
    }
}

/// Runs a command to its end; panics with its output unless it succeeds.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
