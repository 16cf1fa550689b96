//! `[[process]]`: programs that run beside the app, such as Celery's worker and beat.
//!
//! Each runs exactly once. A newer release's is started when the older one's has ended, never before; and what a
//! killed Hotclub left running is ended before anything is started.

mod kept;
mod leftover;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hotclub_django::App;
use serde::{Deserialize, Serialize};

use tokio::sync::watch;

use crate::console::Failure;
use crate::journal::Journal;
use crate::project::Project;
use kept::Kept;

/// All processes of one state of a site, before they are started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processes {
    roles: Vec<Role>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    name: String,
    program: String,
    arguments: Vec<String>,
    app: App,
    settings: String,
    /// To finish what it does, once it was told to end.
    grace: Duration,
    /// Takes what it prints; without one that goes to stderr.
    journal: Option<Arc<Journal>>,
}

/// How one fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessView {
    pub(crate) name: String,
    /// While it runs.
    pub(crate) pid: Option<u32>,
    /// How often it ended by itself.
    pub(crate) deaths: u32,
    /// Its restarts are held back: it keeps ending.
    pub(crate) is_looping: bool,
}

type Views = Arc<Mutex<BTreeMap<String, ProcessView>>>;

impl Processes {
    pub(crate) fn of(project: &Project, journal: Option<&Arc<Journal>>) -> Result<Self, Failure> {
        let role = |process: &hotclub_config::Process| {
            let words = shell_words::split(&process.command).map_err(|error| {
                let name = &process.name;
                Failure::new(format!("the command of the process {name}: {error}"))
                    .hint("it is split like a shell's words, but no shell runs it")
            })?;
            let mut words = words.into_iter();
            Ok(Role {
                name: process.name.clone(),
                program: words.next().unwrap_or_default(),
                arguments: words.collect(),
                app: project.app()?.clone(),
                settings: project.inspection.settings.clone(),
                grace: project.site.app.graceful_timeout,
                journal: journal.cloned(),
            })
        };
        let roles = project.site.processes.iter().map(role);
        Ok(Self {
            roles: roles.collect::<Result<_, Failure>>()?,
        })
    }
}

impl Role {
    fn command(&self) -> std::io::Result<Command> {
        let mut command = self.app.command(&self.program).into_std();
        command
            .args(&self.arguments)
            .env("DJANGO_SETTINGS_MODULE", &self.settings);
        if let Some(journal) = &self.journal {
            let taken = journal.take(&self.name)?;
            command.stdout(taken.try_clone()?).stderr(taken);
        } else {
            // What it prints belongs with the messages; stdout is for data.
            let stderr = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 0)?;
            command.stdout(stderr);
        }
        Ok(command)
    }
}

/// Keeps a site's processes running, and replaces them.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Where those that run are written down.
    record: PathBuf,
    held: tokio::sync::Mutex<Held>,
    views: Views,
    /// Becomes true when those that end are to be killed.
    hurry: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Held {
    kept: Vec<Kept>,
    is_over: bool,
    /// What an earlier Hotclub left was looked for.
    is_settled: bool,
}

impl Keeper {
    /// Nothing runs yet.
    pub(crate) fn new(state: &Path) -> Arc<Self> {
        Arc::new(Self {
            record: state.join("processes.json"),
            held: tokio::sync::Mutex::default(),
            views: Views::default(),
            hurry: watch::Sender::new(false),
        })
    }

    /// Ends those that run, each within its grace, and starts others in their place.
    pub(crate) async fn replace(&self, processes: Processes) {
        let mut held = self.held.lock().await;
        if !held.is_settled {
            leftover::end(&self.record).await;
            held.is_settled = true;
        }
        end(&mut held.kept).await;
        lock(&self.views).clear();
        if held.is_over {
            return;
        }
        let start = |role| Kept::start(role, &self.record, &self.views, self.hurry.subscribe());
        held.kept = processes.roles.into_iter().map(start).collect();
    }

    /// Ends them for good.
    pub(crate) async fn stop(&self) {
        let mut held = self.held.lock().await;
        held.is_over = true;
        end(&mut held.kept).await;
    }

    /// Those that are told to end are killed.
    pub(crate) fn hurry(&self) {
        self.hurry.send_replace(true);
    }

    pub(crate) fn views(&self) -> Vec<ProcessView> {
        lock(&self.views).values().cloned().collect()
    }
}

async fn end(kept: &mut Vec<Kept>) {
    // All are told before any is waited for.
    kept.iter().for_each(Kept::tell);
    for kept in kept.drain(..) {
        kept.ended().await;
    }
}

fn lock(views: &Views) -> std::sync::MutexGuard<'_, BTreeMap<String, ProcessView>> {
    views.lock().unwrap_or_else(PoisonError::into_inner)
}
