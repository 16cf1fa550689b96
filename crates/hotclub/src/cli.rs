//! The command line as it was typed. Each command's own file resolves it.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use crate::control::STATE;
use crate::releases::Home;

mod cache;
mod check;
mod container;
mod db;
mod export;
mod front;
mod host;
mod import;
mod inspect;
mod install;
mod maintenance;
mod manage;
mod passwd;
mod remote;
mod serve;
mod top;
mod trust;
mod tune;
mod up;
mod upgrade;

pub(crate) use cache::{CacheAction, CacheArgs};
pub(crate) use check::CheckArgs;
pub(crate) use container::ContainerArgs;
pub(crate) use db::{
    AtHost, BackupArgs, BackupsArgs, DbArgs, DbCommand, DbUpgradeArgs, ImportDumpArgs, OldArgs,
    RestoreArgs, ShellArgs,
};
pub(crate) use export::{ExportArgs, ExportKind};
pub(crate) use front::{AcmeArgs, FrontArgs};
pub(crate) use host::HostArgs;
pub(crate) use import::ImportArgs;
pub(crate) use inspect::InspectArgs;
pub(crate) use install::{InstallArgs, UninstallArgs};
pub(crate) use maintenance::{MaintenanceArgs, Wanted as MaintenanceWanted};
pub(crate) use manage::ManageArgs;
pub(crate) use passwd::PasswdArgs;
pub(crate) use remote::{
    At, DeployArgs, EnvArgs, EnvCommand, LogsArgs, ReleasesArgs, ReloadArgs, RemoveArgs,
    RestartArgs, RollbackArgs, StatusArgs,
};
pub(crate) use serve::ServeArgs;
pub(crate) use top::TopArgs;
pub(crate) use trust::{Store as TrustStore, TrustArgs};
pub(crate) use tune::TuneArgs;
pub(crate) use up::UpArgs;
pub(crate) use upgrade::UpgradeArgs;

/// Puts Django sites into production on your own server.
#[derive(Debug, clap::Parser)]
#[command(
    name = "hotclub",
    version,
    propagate_version = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Run this project here, now, production-like, in the foreground
    Up(UpArgs),
    /// Run all sites of this server, in the foreground
    Host(HostArgs),
    /// The process that reads what strangers send; `host` starts it
    #[command(hide = true)]
    Front(FrontArgs),
    /// The process that asks an authority for a certificate; `host` and `up` start it
    #[command(hide = true)]
    Acme(AcmeArgs),
    /// Bring a project to the host as a new release, and switch to it without losing a request
    Deploy(DeployArgs),
    /// List what a site can go back to
    Releases(ReleasesArgs),
    /// Go back to a release that served before
    Rollback(RollbackArgs),
    /// Load a site's code and files anew on the host, without losing a request
    Reload(ReloadArgs),
    /// End a site's app and database on the host, and start them
    Restart(RestartArgs),
    /// Serve a deployed site no longer; what it kept stays
    Remove(RemoveArgs),
    /// Set variables of a site on the host, and say where its variables come from
    Env(EnvArgs),
    /// Show what a site's app and processes print, its requests, and what its database says
    Logs(LogsArgs),
    /// Say how the sites of the host fare, what is wrong, and what to do
    Status(StatusArgs),
    /// Watch the sites of the host: a live view with charts
    Top(TopArgs),
    /// Set a server up for a host that starts with it: user, folders, systemd unit
    Install(InstallArgs),
    /// Take back what `install` made; data stay unless told otherwise
    Uninstall(UninstallArgs),
    /// Run only the app server; options are named as Gunicorn's
    Serve(Box<ServeArgs>),
    /// Say what Hotclub found out about a project, and from where
    Inspect(InspectArgs),
    /// Check a site's or a server's configuration and settings, with hints
    Check(CheckArgs),
    /// Measure a project's pages with each tuning off and on, and name what costs most
    Tune(TuneArgs),
    /// Run the project's manage.py in the environment that `up` serves it in
    Manage(ManageArgs),
    /// Say what a site's cache holds, and make it forget
    Cache(CacheArgs),
    /// Close a site for a while, and open it again
    Maintenance(MaintenanceArgs),
    /// Print a line for the file that `users` of [[access]] names
    Passwd(PasswdArgs),
    /// Read the files of today's stack (Compose, NGINX, Procfile, Gunicorn), and write hotclub.toml
    Import(ImportArgs),
    /// Write the files with which a site runs without Hotclub, or starts with the machine
    Export(ExportArgs),
    /// Make an authority for this machine alone, so that browsers believe https://localhost
    Trust(TrustArgs),
    /// Back up a site's database and media, prove it, and go back
    Db(DbArgs),
    /// Replace a running `serve` by the program that now lies in its place, and say what came of it
    Upgrade(UpgradeArgs),
    /// Run a command in a container of a site, as Hotclub itself does
    #[command(hide = true)]
    Container(ContainerArgs),
}

impl Command {
    /// The folder of the project that the command is about.
    pub(crate) fn project(&self) -> Option<&Path> {
        match self {
            Self::Up(args) => Some(&args.dir),
            Self::Inspect(args) => Some(&args.dir),
            Self::Check(args) => args.config.is_none().then_some(&*args.dir),
            Self::Tune(args) => Some(&args.dir),
            Self::Manage(args) => Some(&args.dir),
            Self::Maintenance(args) => Some(&args.dir),
            Self::Cache(args) => args.folder(),
            Self::Db(args) => Some(args.command.project()),
            Self::Export(args) => Some(&args.dir),
            Self::Import(args) => Some(args.dir()),
            Self::Container(_)
            | Self::Front(_)
            | Self::Acme(_)
            | Self::Host(_)
            | Self::Serve(_)
            | Self::Passwd(_)
            | Self::Trust(_)
            | Self::Upgrade(_)
            | Self::Deploy(_)
            | Self::Releases(_)
            | Self::Rollback(_)
            | Self::Reload(_)
            | Self::Restart(_)
            | Self::Remove(_)
            | Self::Status(_)
            | Self::Env(_)
            | Self::Logs(_)
            | Self::Top(_)
            | Self::Install(_)
            | Self::Uninstall(_) => None,
        }
    }
}

impl Cli {
    /// Whether the command's own output is for a script.
    pub(crate) fn wants_json(&self) -> bool {
        match &self.command {
            Command::Up(args) => args.json,
            // Its data is asked for by `--json`, its progress is for people.
            Command::Db(_) => false,
            Command::Host(args) => args.json,
            Command::Deploy(args) => args.at.json,
            Command::Releases(args) => args.at.json,
            Command::Rollback(args) => args.at.json,
            Command::Reload(args) => args.at.json,
            Command::Restart(args) => args.at.json,
            Command::Remove(args) => args.at.json,
            Command::Status(args) => args.at.json,
            Command::Env(args) => args.at.json,
            Command::Logs(args) => args.at.json,
            Command::Cache(args) => args.at.json,
            Command::Top(args) => args.at.json,
            Command::Inspect(args) => args.json,
            Command::Import(args) => args.json,
            Command::Tune(args) => args.json,
            Command::Upgrade(args) => args.json,
            Command::Check(_)
            | Command::Front(_)
            | Command::Acme(_)
            | Command::Export(_)
            | Command::Maintenance(_)
            | Command::Passwd(_)
            | Command::Trust(_)
            | Command::Container(_)
            | Command::Serve(_)
            | Command::Install(_)
            | Command::Uninstall(_)
            | Command::Manage(_) => false,
        }
    }
}

/// A folder, or the name of a site that was deployed to the host of this machine: then its live release's code.
fn place(text: &str) -> Result<PathBuf, Infallible> {
    let dir = PathBuf::from(text);
    if dir.is_dir() || !hotclub_config::is_name(text) {
        return Ok(dir);
    }
    let state = std::env::var_os("HOTCLUB_STATE").map_or_else(|| STATE.into(), PathBuf::from);
    let live = Home::of(&state, text).live_source();
    Ok(if live.is_dir() { live } else { dir })
}
