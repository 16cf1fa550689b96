//! A found project together with the environment it runs in: what every question needs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use hotclub_supervise::RunAs;
use tokio::process::Command;

use crate::environment::Environment;
use crate::find::Project;
use crate::ownership::become_user;
use crate::sources::{digest_of_files, digest_of_sources};

/// Environment variables laid over Hotclub's own environment for everything the app runs.
pub type Vars = BTreeMap<String, String>;

/// The Django application of a site, ready to be asked and prepared.
#[derive(Debug, Clone)]
pub struct App {
    pub project: Project,
    pub environment: Environment,
    /// `[app] settings`: wins over `DJANGO_SETTINGS_MODULE` and over manage.py.
    pub settings: Option<String>,
    /// The site's env files and `[env] set`, then what Hotclub injects.
    pub vars: Vars,
    /// Whom the app's code runs as; `None`: as we do.
    pub user: Option<RunAs>,
    /// When it runs in a container: how commands get there. Paths of `project` are the container's then.
    pub within: Option<Within>,
    /// Hotclub's folder for this site; logs go to `<state>/log`, scripts to `<state>/python`.
    pub state: PathBuf,
    /// What its sources are known by where they do not change any more; `None`: they are looked at each time.
    pub frozen: Option<String>,
}

/// Programs with their first arguments that run what follows in a container, with all variables of their environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Within {
    /// As the image's user.
    pub runner: Vec<OsString>,
    /// As ours: what the command writes belongs to us.
    pub as_us: Vec<OsString>,
    /// The image's own PYTHONPATH.
    pub python_path: Option<String>,
}

impl App {
    /// A command as the user would run it with the virtualenv active, in manage.py's folder:
    /// stdin is closed, and nothing is written into the user's tree by Python itself.
    pub fn command(&self, program: &str) -> Command {
        if let Some(within) = &self.within {
            return self.contained(&within.runner, program);
        }
        let mut command = Command::new(self.environment.program(program));
        command
            .current_dir(&self.project.manage_dir)
            .env_remove("PYTHONHOME")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1")
            .env("VIRTUAL_ENV", &self.environment.dir)
            .envs(&self.vars)
            .env("PATH", self.search_path());
        if let Some(settings) = &self.settings {
            command.env("DJANGO_SETTINGS_MODULE", settings);
        }
        command.stdin(std::process::Stdio::null());
        become_user(&mut command, self.user);
        command
    }

    /// The same app, whose commands write as our user.
    pub(crate) fn as_us(&self) -> Self {
        let mut app = self.clone();
        if let Some(within) = &mut app.within {
            within.runner.clone_from(&within.as_us);
        }
        app
    }

    /// A command in a container: nothing of our environment is its.
    fn contained(&self, runner: &[OsString], program: &str) -> Command {
        let mut words = runner.iter();
        let mut command = Command::new(words.next().map_or("false".as_ref(), OsString::as_os_str));
        command
            .args(words)
            .arg(program)
            .env_clear()
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1")
            .envs(&self.vars);
        if let Some(settings) = &self.settings {
            command.env("DJANGO_SETTINGS_MODULE", settings);
        }
        command.stdin(std::process::Stdio::null());
        command
    }

    /// Notices changed sources; those in an image change with its id, which the environment's digest is.
    pub fn sources(&self, also: &[PathBuf], without: &[PathBuf]) -> String {
        match (&self.frozen, &self.within) {
            (Some(frozen), _) => frozen.clone(),
            (None, None) => digest_of_sources(&self.project, also, without),
            (None, Some(_)) => digest_of_files(also),
        }
    }

    /// The virtualenv's programs first, then the site's own PATH, or Hotclub's.
    fn search_path(&self) -> OsString {
        let rest = self
            .vars
            .get("PATH")
            .map(OsString::from)
            .or_else(|| std::env::var_os("PATH"));
        let mut path = self.environment.bin().into_os_string();
        if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
            path.push(":");
            path.push(rest);
        }
        path
    }

    /// Folders below the project that hold other people's code, or Hotclub's.
    pub(crate) fn not_the_users(&self) -> Vec<PathBuf> {
        vec![self.environment.dir.clone(), self.state.clone()]
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        log_file(&self.state, name)
    }
}

pub(crate) fn log_file(state: &Path, name: &str) -> PathBuf {
    state.join("log").join(format!("{name}.log"))
}
