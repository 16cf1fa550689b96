//! Turns a lock file into a list of requirements that an installer understands; where Hotclub cannot
//! read the lock file itself, the tool that wrote it does, fetched if need be.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::environment::{EnvironmentError, at, is_complete, mark_complete};
use crate::installer::{Installer, Workshop, clean, on_path, uv};
use crate::lockfile::{Dependencies, Tool};
use crate::progress::{Step, say};
use crate::requirements;

/// The list to install from: the user's own, or one written into the environment from the lock.
pub(crate) async fn requirements_file(
    workshop: &Workshop<'_>,
    installer: &Installer,
    dependencies: &Dependencies,
    dir: &Path,
) -> Result<PathBuf, EnvironmentError> {
    let (file, tool) = (&dependencies.file, dependencies.tool);
    let list = dir.join("requirements.txt");
    let read = match tool {
        Tool::Requirements => return Ok(file.clone()),
        Tool::Uv => None,
        Tool::Poetry => requirements::from_poetry_lock(file).map(|pins| pins.text()),
        Tool::Pdm => requirements::from_pdm_lock(file).map(|pins| pins.text()),
        Tool::Pipenv => requirements::from_pipfile_lock(file).map(|pins| pins.text()),
        Tool::Pyproject => requirements::from_pyproject(file),
    };
    match (read, tool) {
        (Some(text), _) => fs::write(&list, text).map_err(at(&list))?,
        (None, Tool::Uv | Tool::Poetry | Tool::Pdm) => {
            export(workshop, installer, dependencies, &list).await?;
        }
        (None, _) => {
            return Err(EnvironmentError::BadLock {
                file: file.clone(),
                tool: tool.name(),
            });
        }
    }
    Ok(list)
}

/// Lets the lock file's own tool write the list; from the lock alone, without asking an index.
async fn export(
    workshop: &Workshop<'_>,
    installer: &Installer,
    dependencies: &Dependencies,
    list: &Path,
) -> Result<(), EnvironmentError> {
    let mut command = match (dependencies.tool, installer) {
        (Tool::Uv, Installer::Uv { program, settings }) => {
            let mut command = uv(program, settings, workshop.state);
            command.args([
                "export",
                "--frozen",
                "--no-dev",
                "--no-emit-project",
                "--quiet",
            ]);
            command.args(["--format", "requirements-txt", "--no-header", "--python"]);
            command.arg(&workshop.interpreter.path).arg("--output-file");
            command
        }
        (Tool::Uv, Installer::Pip) => {
            return Err(EnvironmentError::NoUv {
                log: workshop.log.to_path_buf(),
            });
        }
        (Tool::Pdm, _) => {
            let mut command = clean(&tool(workshop, installer, "pdm", &["pdm"]).await?);
            command.args(["export", "--prod", "--format", "requirements", "--output"]);
            command
        }
        _ => {
            let packages = ["poetry", "poetry-plugin-export"];
            let mut command = clean(&tool(workshop, installer, "poetry", &packages).await?);
            command.args(["export", "--only", "main", "--no-interaction", "--output"]);
            command
        }
    };
    command
        .arg(list)
        .current_dir(dependencies.file.parent().unwrap_or(Path::new("/")));
    workshop.run_well("exporting the lock file", command).await
}

/// A tool of our own in `<state>/tools/NAME`, unless the machine has it. Poetry on PATH may lack
/// its export plugin, so it is always our own.
async fn tool(
    workshop: &Workshop<'_>,
    installer: &Installer,
    name: &str,
    packages: &[&str],
) -> Result<PathBuf, EnvironmentError> {
    if let Some(found) = on_path(name).filter(|_| packages.len() == 1) {
        return Ok(found);
    }
    let dir = workshop.state.join("tools").join(name);
    if !is_complete(&dir) {
        say(
            workshop.report,
            Step::Environment,
            format!("getting {name}"),
        );
        let _ = fs::remove_dir_all(&dir);
        installer.virtualenv(workshop, &dir).await?;
        let packages: Vec<OsString> = packages.iter().map(OsString::from).collect();
        installer
            .install(workshop, &dir, workshop.state, &packages)
            .await?;
        mark_complete(&dir)?;
    }
    Ok(dir.join("bin").join(name))
}
