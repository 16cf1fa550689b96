//! What is served: the bare app, a Django page without a query, and the example portfolio with its data in
//! PostgreSQL.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::cluster::Cluster;
use super::world::World;
use crate::{command, project};

const LIMIT: Duration = Duration::from_secs(300);

pub(super) struct Site {
    /// Answers 200 once the site is up.
    pub(super) path: String,
    /// `module:app`, as every WSGI server takes it.
    pub(super) module: String,
    /// The same for ASGI servers, where the app has that side.
    pub(super) asgi_module: Option<String>,
    /// Where the modules are imported from.
    pub(super) folder: PathBuf,
    /// The project's folder, for `hotclub up`; without it, `hotclub serve` runs the module.
    pub(super) project: Option<PathBuf>,
    /// URL prefixes (`/static/`) and the folders that a front serves for them.
    pub(super) files: Vec<(&'static str, PathBuf)>,
    pub(super) env: BTreeMap<String, String>,
    /// Logs and configuration of the run.
    pub(super) scratch: PathBuf,
    /// Ends with the site.
    _cluster: Option<Cluster>,
}

impl Site {
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.scratch.join(format!("{name}.log"))
    }

    /// The project as a user would have it before the first start.
    pub(super) fn fresh_copy(&self) -> Result<Option<PathBuf>> {
        self.project
            .is_some()
            .then(|| copy_portfolio(&self.scratch.join("fresh")))
            .transpose()
    }

    /// What `manage.py TASK` prints.
    pub(super) fn manage(&self, python: &Path, task: &[&str]) -> Result<String> {
        let mut manage = Command::new(python);
        manage
            .arg("manage.py")
            .args(task)
            .current_dir(&self.folder)
            .envs(&self.env);
        command::quiet(&mut manage, LIMIT)
    }
}

/// Readable by the user that PostgreSQL's server runs as.
pub(crate) fn work_folder() -> Result<TempDir> {
    let folder = tempfile::Builder::new()
        .prefix("hotclub-bench-")
        .tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

pub(super) fn hello(work: &Path) -> Result<Site> {
    Ok(one_module("hello", work))
}

pub(super) fn plain(work: &Path) -> Result<Site> {
    Ok(one_module("plain", work))
}

/// `bench/apps/NAME.py`, which has an `app` and an `asgi_app`.
fn one_module(name: &str, work: &Path) -> Site {
    Site {
        path: "/".to_owned(),
        module: format!("{name}:app"),
        asgi_module: Some(format!("{name}:asgi_app")),
        folder: project::root().join("bench/apps"),
        project: None,
        files: Vec::new(),
        env: BTreeMap::from([("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned())]),
        scratch: work.to_owned(),
        _cluster: None,
    }
}

pub(super) fn portfolio(world: &World) -> Result<Site> {
    let work = world.folder();
    let project = copy_portfolio(&work.join("portfolio"))?;
    let folder = project.join("src");
    let cluster = Cluster::start(world.tools(), work)?;
    let mut env = cluster.settings();
    for (name, value) in [
        ("SECRET_KEY", "only-for-the-bench"),
        ("DJANGO_ALLOWED_HOSTS", "127.0.0.1"),
        ("DEBUG", "False"),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    let package = package_with_wsgi(&folder)?;
    let site = Site {
        path: "/".to_owned(),
        module: format!("{package}.wsgi:application"),
        asgi_module: Some(format!("{package}.asgi:application")),
        files: vec![
            ("/static/", folder.join("staticfiles")),
            ("/media/", folder.join("mediafiles")),
        ],
        folder,
        project: Some(project),
        env,
        scratch: work.to_owned(),
        _cluster: Some(cluster),
    };
    let python = world.python()?;
    for task in [
        &["migrate", "--noinput"][..],
        &["collectstatic", "--noinput"],
        &["seed"],
    ] {
        eprintln!("portfolio: manage.py {}", task.join(" "));
        site.manage(&python, task)?;
    }
    Ok(site)
}

/// The package beside manage.py that has a wsgi.py.
fn package_with_wsgi(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder)?.flatten();
    let package = entries.filter(|entry| entry.path().join("wsgi.py").is_file());
    let name = package.map(|entry| entry.file_name().to_string_lossy().into_owned());
    name.last()
        .with_context(|| format!("no wsgi.py below {}", folder.display()))
}

/// A copy, so that no run changes the tree and every run starts alike.
fn copy_portfolio(to: &Path) -> Result<PathBuf> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    copy_folder(&project::root().join("examples/portfolio"), to)?;
    Ok(to.to_owned())
}

/// Leaves behind what an earlier start in the tree has made.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text == ".hotclub" || text == "__pycache__" || text.ends_with(".sqlite3") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to.join(&name))?;
        } else {
            fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}
