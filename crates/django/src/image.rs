//! What an image has to have so that a project's dependencies can be installed in it and run: which Python, and which
//! system packages. Read from the project's files alone, before anything of it is installed.

use std::fs;

use serde_json::Value as Json;
use toml::{Table, Value};

use crate::environment::EnvironmentError;
use crate::find::Project;
use crate::interpreter;
use crate::lockfile::{Dependencies, Tool};

/// Where the project asks for no other: the newest that nearly every package has wheels for.
const PYTHON: (u64, u64) = (3, 13);

/// A system package as Debian and as Alpine call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemPackage {
    pub debian: &'static str,
    pub alpine: &'static str,
}

const fn package(debian: &'static str, alpine: &'static str) -> SystemPackage {
    SystemPackage { debian, alpine }
}

const GCC: SystemPackage = package("gcc", "gcc");
const LIBC: SystemPackage = package("libc6-dev", "musl-dev");
const GIT: SystemPackage = package("git", "git");
const PKG_CONFIG: SystemPackage = package("pkg-config", "pkgconf");
const POSTGRES_DEV: SystemPackage = package("libpq-dev", "libpq-dev");
const POSTGRES: SystemPackage = package("libpq5", "libpq");
const MYSQL_DEV: SystemPackage = package("default-libmysqlclient-dev", "mariadb-connector-c-dev");
const MYSQL: SystemPackage = package("libmariadb3", "mariadb-connector-c");

/// What the image has to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// `3.13`
    pub python: String,
    /// To install the dependencies. What has wheels (Pillow, psycopg2-binary) needs nothing.
    pub build: Vec<SystemPackage>,
    /// To run them.
    pub run: Vec<SystemPackage>,
}

/// `option` is `[app] python`, when that is a version.
///
/// # Errors
/// When `option` is no version.
pub fn needs(
    project: &Project,
    dependencies: &Dependencies,
    option: Option<&str>,
) -> Result<Needs, EnvironmentError> {
    let (major, minor) = interpreter::minor_for(project, dependencies, option, PYTHON)?;
    let text = fs::read_to_string(&dependencies.file).unwrap_or_default();
    let names = names(dependencies.tool, &text);
    let has = |name: &str| names.iter().any(|other| other == name);
    let (mut build, mut run) = (Vec::new(), Vec::new());
    let compiled = has("psycopg2") || has("psycopg-c") || has("psycopg[c]");
    if compiled {
        build.extend([GCC, LIBC, POSTGRES_DEV]);
    }
    if compiled || has("psycopg") {
        run.push(POSTGRES);
    }
    if has("mysqlclient") {
        build.extend([GCC, LIBC, PKG_CONFIG, MYSQL_DEV]);
        run.push(MYSQL);
    }
    if text.contains("git+") {
        build.push(GIT);
    }
    let mut seen = Vec::new();
    build.retain(|package| {
        let new = !seen.contains(package);
        seen.push(*package);
        new
    });
    Ok(Needs {
        python: format!("{major}.{minor}"),
        build,
        run,
    })
}

/// The packages' names in lower case, with their extras where the file has them.
fn names(tool: Tool, text: &str) -> Vec<String> {
    let all: Option<Vec<String>> = match tool {
        Tool::Uv | Tool::Poetry | Tool::Pdm => text.parse().ok().and_then(|lock: Table| {
            let packages = lock.get("package")?.as_array()?.iter();
            let names = packages.filter_map(|package| package.get("name")?.as_str());
            Some(names.map(str::to_owned).collect())
        }),
        Tool::Pipenv => serde_json::from_str(text).ok().and_then(|lock: Json| {
            let packages = lock.get("default")?.as_object()?;
            Some(packages.keys().cloned().collect())
        }),
        Tool::Requirements => Some(text.lines().filter_map(required).collect()),
        Tool::Pyproject => text.parse().ok().and_then(|content: Table| {
            let list = content.get("project")?.get("dependencies")?.as_array()?;
            let lines = list.iter().filter_map(Value::as_str);
            Some(lines.filter_map(required).collect())
        }),
    };
    let tidy = |name: String| name.to_lowercase().replace('_', "-");
    all.unwrap_or_default().into_iter().map(tidy).collect()
}

/// `psycopg[c]` of `psycopg[c]>=3.2; python_version > "3"`.
fn required(line: &str) -> Option<String> {
    let line = line.trim();
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.[],".contains(c));
    let name = &line[..end.unwrap_or(line.len())];
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str, tool: Tool, text: &str) -> Needs {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(file);
        fs::write(&file, text).unwrap();
        let project = Project {
            root: folder.path().to_owned(),
            manage_dir: folder.path().to_owned(),
        };
        needs(&project, &Dependencies { tool, file }, None).unwrap()
    }

    #[test]
    fn what_has_wheels_needs_no_system_package() {
        let text =
            "Django==5.2\npsycopg2-binary\nPillow\npsycopg[binary]>=3 ; python_version > '3'\n";
        let found = of("requirements.txt", Tool::Requirements, text);
        assert_eq!((found.build, found.run), (vec![], vec![]));
        assert_eq!(found.python, "3.13");
    }

    #[test]
    fn what_is_compiled_needs_a_compiler_in_the_build_and_a_library_after_it() {
        let text = "psycopg2==2.9\nmysqlclient\nx @ git+https://example.com/x\n";
        let found = of("requirements.txt", Tool::Requirements, text);
        assert_eq!(
            found.build,
            [GCC, LIBC, POSTGRES_DEV, PKG_CONFIG, MYSQL_DEV, GIT]
        );
        assert_eq!(found.run, [POSTGRES, MYSQL]);
        let lock = "[[package]]\nname = \"psycopg\"\n[[package]]\nname = \"psycopg-c\"\n";
        assert_eq!(of("uv.lock", Tool::Uv, lock).run, [POSTGRES]);
        let lock = "{\"default\": {\"psycopg2\": {}}, \"develop\": {\"mysqlclient\": {}}}";
        assert_eq!(of("Pipfile.lock", Tool::Pipenv, lock).run, [POSTGRES]);
    }

    #[test]
    fn the_python_is_the_one_that_the_project_asks_for() {
        let text = "[project]\nrequires-python = \">=3.10,<3.13\"\ndependencies = [\"psycopg\"]\n";
        let found = of("pyproject.toml", Tool::Pyproject, text);
        assert_eq!((found.python.as_str(), found.run), ("3.12", vec![POSTGRES]));
        let text = "[project]\nrequires-python = \">=3.14\"\n";
        assert_eq!(of("pyproject.toml", Tool::Pyproject, text).python, "3.14");
    }
}
