//! From the files of the stack that a site has today (Compose, NGINX, Procfile, Gunicorn, Dockerfile) to its
//! `hotclub.toml`, with a report that accounts for every key and directive. Pure: files that the inputs name are
//! asked of a [`Shelf`], nothing is run, and no text may make it panic or grow without bound.
//!
//! The way of an input: `kind` says what it is; its reader (one file or folder each) enters all of it into the
//! `ledger`, writes into the `draft`, and leaves in the `stack` what other readers need to know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use thiserror::Error;

mod compose;
mod dockerfile;
mod draft;
mod environment;
mod gunicorn;
mod interpolate;
mod kind;
mod launch;
mod ledger;
mod nginx;
mod placeholder;
mod procfile;
mod report;
mod shelf;
mod stack;
mod words;
mod yaml;

pub use ledger::{Fate, Item, Place};
pub use report::Outcome;
pub use shelf::Shelf;

use draft::Draft;
use kind::Kind;
use ledger::Ledger;
use stack::Stack;

/// A file to read.
#[derive(Debug, Clone)]
pub struct Input {
    /// Absolute.
    pub path: PathBuf,
    /// As the user wrote it.
    pub shown: String,
    pub text: String,
}

/// What is known besides the inputs.
pub struct Options<'a> {
    /// The folder of the `hotclub.toml` in the making; absolute.
    pub dir: &'a Path,
    pub shelf: &'a dyn Shelf,
    /// The environment, for variables in Compose files.
    pub vars: BTreeMap<String, String>,
    /// The site's hosts, where the inputs have only placeholders for them.
    pub hosts: Vec<String>,
    /// Gunicorn's command line, where no file has it.
    pub command: Option<String>,
    /// Whether settings take a database from a variable of this name.
    pub names_a_database: fn(&str) -> bool,
}

/// Why an input cannot be read at all.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ImportError {
    #[error("{reason}")]
    Syntax { reason: String },
    #[error(
        "{file}: this is no Compose file, NGINX configuration, Procfile, Dockerfile or Gunicorn configuration"
    )]
    Unknown { file: String },
    #[error("--command: {reason}")]
    Command { reason: &'static str },
    #[error("there is nothing to read")]
    Nothing,
}

impl ImportError {
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => {
                "correct this line; `docker compose config` and `nginx -t` say more about such faults"
            }
            Self::Unknown { .. } => {
                "name it as such files are named: docker-compose.yml, site.conf, Procfile, Dockerfile, gunicorn.conf.py"
            }
            Self::Command { .. } => {
                "write it as a shell would be given it: --command 'gunicorn project.wsgi --workers 3'"
            }
            Self::Nothing => "name files: hotclub import docker-compose.yml nginx.conf",
        }
    }
}

/// What all readers share.
pub(crate) struct Reading<'a> {
    pub(crate) options: &'a Options<'a>,
    pub(crate) ledger: Ledger,
    pub(crate) draft: Draft,
    pub(crate) stack: Stack,
}

/// A path without `.` and `..`, as the shelf is asked for it.
#[must_use]
pub fn clean(path: &Path) -> PathBuf {
    shelf::joined(path, "")
}

/// Reads all inputs as one site.
///
/// # Errors
/// When an input is no file of a known kind, or its grammar is broken.
pub fn import(inputs: &[Input], options: &Options<'_>) -> Result<Outcome, ImportError> {
    if inputs.is_empty() && options.command.is_none() {
        return Err(ImportError::Nothing);
    }
    let mut reading = Reading {
        options,
        ledger: Ledger::default(),
        draft: Draft::default(),
        stack: Stack::default(),
    };
    let mut by_kind: BTreeMap<Kind, Vec<&Input>> = BTreeMap::new();
    for input in inputs {
        let kind = kind::of(input).ok_or_else(|| ImportError::Unknown {
            file: input.shown.clone(),
        })?;
        by_kind.entry(kind).or_default().push(input);
    }
    // In the order of `Kind`: what the app is, is known before the web server in front of it is read.
    for (kind, inputs) in by_kind {
        match kind {
            Kind::Compose => compose::read(&inputs, &mut reading)?,
            Kind::Procfile => inputs
                .iter()
                .for_each(|input| procfile::read(input, &mut reading)),
            Kind::Dockerfile => inputs
                .iter()
                .for_each(|input| dockerfile::read_input(input, &mut reading)),
            Kind::Gunicorn => inputs
                .iter()
                .for_each(|input| launch::gunicorn_file(input, &mut reading)),
            Kind::Nginx => {
                launch::given_command(&mut reading)?;
                nginx::read(&inputs, &mut reading)?;
            }
        }
    }
    launch::given_command(&mut reading)?;
    Ok(report::conclude(reading))
}
