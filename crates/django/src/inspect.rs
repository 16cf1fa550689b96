//! Asks Django, in the project's environment, what the project is.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::app::App;
use crate::inspection::{EnvRead, Inspection};
use crate::packages::package_of;
use crate::progress::{Step, silent};
use crate::run::tail;
use crate::scripts::{Answer, RaisedIn, ask, keep_traceback, path_value};
use crate::traceback::shorten;

/// The project's own code raised. `traceback` is shortened to the user's frames.
#[derive(Debug, Clone)]
pub struct Raised {
    /// The exception's class, as `ModuleNotFoundError`.
    pub kind: String,
    pub message: String,
    /// Ends with the exception itself.
    pub traceback: String,
    /// The whole traceback, and what the settings printed.
    pub log: PathBuf,
    pub settings: Option<String>,
    /// What had been read when it happened.
    pub env: Vec<EnvRead>,
    /// The module that could not be imported.
    pub missing_module: Option<String>,
}

#[derive(Debug, Error)]
pub enum InspectError {
    #[error("{} cannot be imported\n{}", settings(.0), .0.traceback)]
    Raised(Box<Raised>),
    #[error("Django is not among the project's packages")]
    NoDjango { log: PathBuf },
    #[error("Python ended without an answer ({status})\n{output}")]
    Died {
        status: String,
        output: String,
        log: PathBuf,
    },
    #[error("the settings were still being imported after {} s", after.as_secs())]
    Hung { after: Duration, log: PathBuf },
    #[error("the settings' answer is not as expected: {source}")]
    Answer { source: serde_json::Error },
    #[error("Python could not be run: {source}")]
    Run { source: io::Error },
}

fn settings(raised: &Raised) -> String {
    match &raised.settings {
        Some(settings) => format!("settings {settings}"),
        None => "manage.py".into(),
    }
}

impl InspectError {
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Raised(raised) => raised.hint(),
            Self::NoDjango { .. } => {
                Some("add Django to the file that names the project's packages, and lock it".into())
            }
            Self::Died { log, .. } | Self::Hung { log, .. } => {
                Some(format!("all output is in {}", log.display()))
            }
            Self::Answer { .. } | Self::Run { .. } => None,
        }
    }

    /// The exception in the project, when that is what it was.
    pub fn raised(&self) -> Option<&Raised> {
        match self {
            Self::Raised(raised) => Some(raised),
            _ => None,
        }
    }
}

impl Raised {
    fn hint(&self) -> Option<String> {
        if let Some(module) = &self.missing_module {
            return Some(missing_hint(module));
        }
        if let Some(driver) = missing_driver(&self.message) {
            return Some(format!(
                "add {driver} to the project's dependencies and lock them"
            ));
        }
        let last = self.env.iter().rfind(|read| !read.set && !read.has_default);
        let named = last.filter(|read| self.message.contains(&read.name));
        Some(match named {
            Some(read) => format!(
                "the settings need {} ({}): set it in an env file or under [env] in hotclub.toml",
                read.name, read.at
            ),
            None => format!("the whole traceback is in {}", self.log.display()),
        })
    }

    pub(crate) fn from_script(app: &App, script: &str, raised: RaisedIn) -> Self {
        let log = app.log(script);
        keep_traceback(&log, &raised.traceback);
        let root = &app.project.root;
        let short = shorten(&raised.traceback, root, &app.not_the_users());
        Self {
            traceback: short.unwrap_or_else(|| format!("{}: {}", raised.kind, raised.message)),
            kind: raised.kind,
            message: raised.message,
            log,
            settings: raised.settings,
            env: raised.env,
            missing_module: raised.module,
        }
    }
}

/// Django's backends say which driver they lack, in words of their own.
pub(crate) fn missing_driver(message: &str) -> Option<&'static str> {
    let known = [("psycopg", "psycopg[binary]"), ("MySQLdb", "mysqlclient")];
    let (_, rest) = message.split_once("Error loading ")?;
    known
        .iter()
        .find(|(module, _)| rest.starts_with(module))
        .map(|(_, package)| *package)
}

pub(crate) fn missing_hint(module: &str) -> String {
    let package = package_of(module);
    format!(
        "`{module}` is not installed: add {package} to the project's dependencies and lock them"
    )
}

/// Asks once (about half a second). `pending`: also compare migrations with the database.
pub async fn inspect(app: &App, pending: bool) -> Result<Inspection, InspectError> {
    let mut request = Map::new();
    request.insert("root".into(), path_value(&app.project.root));
    let outside = app.not_the_users();
    request.insert(
        "outside".into(),
        outside.iter().map(|dir| path_value(dir)).collect(),
    );
    request.insert("pending".into(), Value::Bool(pending));
    let answer = ask(app, "inspect", request, Step::Inspect, &silent).await;
    let log = app.log("inspect");
    match answer.map_err(|source| InspectError::Run { source })? {
        Answer::Found(found) => {
            serde_json::from_value(found).map_err(|source| InspectError::Answer { source })
        }
        Answer::Raised(raised) if raised.module.as_deref() == Some("django") => {
            keep_traceback(&log, &raised.traceback);
            Err(InspectError::NoDjango { log })
        }
        Answer::Raised(raised) => Err(InspectError::Raised(Box::new(Raised::from_script(
            app, "inspect", *raised,
        )))),
        Answer::Died { status, lines } => {
            let output = tail(&lines, 10);
            Err(InspectError::Died {
                status: status.to_string(),
                output,
                log,
            })
        }
        Answer::Hung { after } => Err(InspectError::Hung { after, log }),
    }
}
