//! The Python scripts carried in the binary, and how one is asked and answers.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::app::App;
use crate::ownership::give;
use crate::progress::{Report, Step};
use crate::run::{self, run};

macro_rules! script {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../../../python/hotclub_project/", $name)),
        )
    };
}

const SCRIPTS: [(&str, &str); 6] = [
    script!("__init__.py"),
    script!("collect.py"),
    script!("inspect.py"),
    script!("override.py"),
    script!("project.py"),
    script!("recorder.py"),
];

/// A script still running after this long hangs in the project's own code.
const PATIENCE: Duration = Duration::from_secs(120);

/// An exception in the project, as the scripts report it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct RaisedIn {
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) traceback: String,
    pub(crate) module: Option<String>,
    pub(crate) settings: Option<String>,
    #[serde(default)]
    pub(crate) env: Vec<crate::inspection::EnvRead>,
}

pub(crate) enum Answer {
    Found(Value),
    Raised(Box<RaisedIn>),
    /// The interpreter ended without an answer.
    Died {
        status: ExitStatus,
        lines: Vec<String>,
    },
    Hung {
        after: Duration,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Found(Value),
    Raised(Box<RaisedIn>),
}

/// Writes the package `hotclub_project` under `<state>/python` and returns that folder, which goes
/// on PYTHONPATH. The fork server imports `hotclub_project.override` from there, too.
pub fn install(state: &Path) -> io::Result<PathBuf> {
    let dir = state.join("python");
    let package = dir.join("hotclub_project");
    fs::create_dir_all(&package)?;
    for (name, content) in SCRIPTS {
        write_if_changed(&package, name, content)?;
    }
    Ok(dir)
}

fn write_if_changed(dir: &Path, name: &str, content: &str) -> io::Result<()> {
    let path = dir.join(name);
    if fs::read(&path).is_ok_and(|old| old == content.as_bytes()) {
        return Ok(());
    }
    let mut file = tempfile::Builder::new()
        .permissions(readable())
        .tempfile_in(dir)?;
    file.write_all(content.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

fn readable() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

/// Runs `python -m hotclub_project.SCRIPT` in manage.py's folder with `request` as its argument.
pub(crate) async fn ask(
    app: &App,
    script: &str,
    mut request: Map<String, Value>,
    step: Step,
    report: Report<'_>,
) -> io::Result<Answer> {
    let scripts = install(&app.state)?;
    let output = tempfile::NamedTempFile::new_in(&scripts)?;
    if app.within.is_some() {
        // The image's user may be any, and nobody else has the folder.
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        fs::set_permissions(output.path(), everybody)?;
    } else if let Some(user) = app.user {
        give(output.path(), user)?;
    }
    request.insert("output".into(), path_value(output.path()));
    request.insert("settings".into(), app.settings.clone().into());
    let mut command = app.command("python");
    command.arg("-m").arg(format!("hotclub_project.{script}"));
    command.arg(Value::Object(request).to_string());
    command.env("PYTHONPATH", python_path(app, &scripts));
    let log = app.log(script);
    run::clear_log(&log);
    let Ok(ran) = tokio::time::timeout(PATIENCE, run(command, &log, step, report)).await else {
        return Ok(Answer::Hung { after: PATIENCE });
    };
    let ran = ran?;
    let content = fs::read(output.path())?;
    Ok(match serde_json::from_slice(&content) {
        Ok(Content::Found(found)) => Answer::Found(found),
        Ok(Content::Raised(raised)) => Answer::Raised(raised),
        Err(_) => Answer::Died {
            status: ran.status,
            lines: ran.lines,
        },
    })
}

/// Appends a traceback to the script's log, where its output already is.
pub(crate) fn keep_traceback(log: &Path, traceback: &str) {
    let file = fs::OpenOptions::new().create(true).append(true).open(log);
    let _ = file.and_then(|mut file| writeln!(file, "{traceback}"));
}

pub(crate) fn path_value(path: &Path) -> Value {
    Value::String(path.to_string_lossy().into_owned())
}

fn python_path(app: &App, scripts: &Path) -> std::ffi::OsString {
    let mut value = scripts.as_os_str().to_owned();
    let own = app
        .vars
        .get("PYTHONPATH")
        .map(Into::into)
        .or_else(|| match &app.within {
            None => std::env::var_os("PYTHONPATH"),
            Some(within) => within.python_path.clone().map(Into::into),
        });
    if let Some(own) = own.filter(|own: &std::ffi::OsString| !own.is_empty()) {
        value.push(":");
        value.push(own);
    }
    value
}
