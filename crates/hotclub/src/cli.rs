//! The command line as it was typed. Each command's own file resolves it.

use std::path::Path;

mod check;
mod db;
mod front;
mod host;
mod inspect;
mod maintenance;
mod manage;
mod passwd;
mod serve;
mod tune;
mod up;
mod upgrade;

pub(crate) use check::CheckArgs;
pub(crate) use db::{BackupArgs, BackupsArgs, DbArgs, DbCommand, OldArgs, RestoreArgs, ShellArgs};
pub(crate) use front::FrontArgs;
pub(crate) use host::HostArgs;
pub(crate) use inspect::InspectArgs;
pub(crate) use maintenance::{MaintenanceArgs, Wanted as MaintenanceWanted};
pub(crate) use manage::ManageArgs;
pub(crate) use passwd::PasswdArgs;
pub(crate) use serve::ServeArgs;
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
    /// Close a site for a while, and open it again
    Maintenance(MaintenanceArgs),
    /// Print a line for the file that `users` of [[access]] names
    Passwd(PasswdArgs),
    /// Back up a site's database and media, prove it, and go back
    Db(DbArgs),
    /// Replace a running `serve` by the program that now lies in its place, and say what came of it
    Upgrade(UpgradeArgs),
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
            Self::Db(args) => Some(args.command.project()),
            Self::Front(_)
            | Self::Host(_)
            | Self::Serve(_)
            | Self::Passwd(_)
            | Self::Upgrade(_) => None,
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
            Command::Inspect(args) => args.json,
            Command::Tune(args) => args.json,
            Command::Upgrade(args) => args.json,
            Command::Check(_)
            | Command::Front(_)
            | Command::Maintenance(_)
            | Command::Passwd(_)
            | Command::Serve(_)
            | Command::Manage(_) => false,
        }
    }
}
