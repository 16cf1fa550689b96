//! What is served: the bare app, and the example portfolio with its data in PostgreSQL.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::cluster::Cluster;
use crate::setup::Tools;
use crate::{command, project};

const LIMIT: Duration = Duration::from_secs(300);

pub(super) struct Site {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) path: &'static str,
    pub(super) connections: u32,
    /// Memory and starting times are taken on a site like a user's.
    pub(super) realistic: bool,
    /// `module:app`, as every WSGI server takes it.
    pub(super) module: String,
    /// Where the module is imported from.
    pub(super) folder: PathBuf,
    /// The project's folder, for `hotclub up`.
    pub(super) project: Option<PathBuf>,
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
}

/// Readable by the user that PostgreSQL's server runs as.
pub(crate) fn work_folder() -> Result<TempDir> {
    let folder = tempfile::Builder::new()
        .prefix("hotclub-bench-")
        .tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

pub(super) fn all(tools: &Tools, work: &Path, wants: impl Fn(&str) -> bool) -> Result<Vec<Site>> {
    let mut sites = Vec::new();
    if wants("hello") {
        sites.push(hello(work));
    }
    if wants("home") {
        if project::root().join("examples/portfolio").is_dir() {
            sites.push(home(tools, work)?);
        } else {
            eprintln!("skipped: home: there is no examples/portfolio");
        }
    }
    Ok(sites)
}

fn hello(work: &Path) -> Site {
    Site {
        name: "hello",
        title: "a bare WSGI app",
        path: "/",
        connections: 64,
        realistic: false,
        module: "hello:app".to_owned(),
        folder: project::root().join("bench/apps"),
        project: None,
        env: BTreeMap::from([("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned())]),
        scratch: work.to_owned(),
        _cluster: None,
    }
}

fn home(tools: &Tools, work: &Path) -> Result<Site> {
    let project = copy_portfolio(&work.join("portfolio"))?;
    let folder = [project.join("src"), project.clone()]
        .into_iter()
        .find(|folder| folder.join("manage.py").is_file())
        .context("the portfolio has no manage.py")?;
    let cluster = Cluster::start(tools, work)?;
    let mut env = cluster.settings();
    for (name, value) in [
        ("SECRET_KEY", "only-for-the-bench"),
        ("ALLOWED_HOSTS", "127.0.0.1"),
        ("DJANGO_ALLOWED_HOSTS", "127.0.0.1"),
        ("DEBUG", "False"),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    let site = Site {
        name: "home",
        title: "the portfolio's home page, on PostgreSQL",
        path: "/",
        connections: 16,
        realistic: true,
        module: wsgi_module(&folder)?,
        folder,
        project: Some(project),
        env,
        scratch: work.to_owned(),
        _cluster: Some(cluster),
    };
    for task in [
        &["migrate", "--noinput"][..],
        &["collectstatic", "--noinput"],
        &["seed"],
    ] {
        manage(tools, &site, task)?;
    }
    Ok(site)
}

fn manage(tools: &Tools, site: &Site, task: &[&str]) -> Result<()> {
    eprintln!("portfolio: manage.py {}", task.join(" "));
    let python = tools.python.as_ref().context("no virtualenv")?;
    let mut manage = Command::new(python);
    manage
        .arg("manage.py")
        .args(task)
        .current_dir(&site.folder)
        .envs(&site.env);
    command::quiet(&mut manage, LIMIT).map(drop)
}

/// `PACKAGE.wsgi:application`, of the package beside manage.py that has a wsgi.py.
fn wsgi_module(folder: &Path) -> Result<String> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().join("wsgi.py").is_file() {
            return Ok(format!(
                "{}.wsgi:application",
                entry.file_name().to_string_lossy()
            ));
        }
    }
    anyhow::bail!("no wsgi.py below {}", folder.display())
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
