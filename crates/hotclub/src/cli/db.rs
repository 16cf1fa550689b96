//! `hotclub db`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct DbArgs {
    #[command(subcommand)]
    pub(crate) command: DbCommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum DbCommand {
    /// Copy the database and the media folder, and prove the copy by restoring it beside
    Backup(BackupArgs),
    /// List the backups, and what restores have put aside
    Backups(BackupsArgs),
    /// Restore a backup beside the live data, check it, and swap
    Restore(RestoreArgs),
    /// Load a dump from elsewhere (pg_dump) beside the live database, and swap
    Import(ImportDumpArgs),
    /// Move the data to a newer major version of PostgreSQL: beside, checked, then exchanged
    Upgrade(DbUpgradeArgs),
    /// Go back to what a restore or an upgrade put aside
    Undo(OldArgs),
    /// Drop what restores and upgrades have put aside
    DropOld(OldArgs),
    /// Open psql on the database, as the site's own role
    Shell(ShellArgs),
}

impl DbCommand {
    /// The project's folder.
    pub(crate) fn project(&self) -> &Path {
        match self {
            Self::Backup(args) => &args.dir,
            Self::Backups(args) => &args.dir,
            Self::Restore(args) => &args.dir,
            Self::Import(args) => &args.dir,
            Self::Upgrade(args) => &args.dir,
            Self::Undo(args) | Self::DropOld(args) => &args.dir,
            Self::Shell(args) => &args.dir,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    /// The project's folder, or the name of a site that was deployed here
    #[arg(default_value = ".", value_name = "DIR|SITE", value_parser = super::place)]
    pub(crate) dir: PathBuf,

    /// Print the manifest as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// The day's own, which `up` makes
    #[arg(long, hide = true)]
    pub(crate) daily: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShellArgs {
    /// The project's folder, or the name of a site that was deployed here
    #[arg(default_value = ".", value_name = "DIR|SITE", value_parser = super::place)]
    pub(crate) dir: PathBuf,

    /// As the cluster's superuser
    #[arg(long)]
    pub(crate) admin: bool,

    /// What psql is given, e.g. `-- -c 'SELECT 1'`
    #[arg(last = true)]
    pub(crate) args: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BackupsArgs {
    /// The project's folder, or the name of a site that was deployed here
    #[arg(default_value = ".", value_name = "DIR|SITE", value_parser = super::place)]
    pub(crate) dir: PathBuf,

    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// The project's folder, or the name of a site that was deployed here
    #[arg(default_value = ".", value_name = "DIR|SITE", value_parser = super::place)]
    pub(crate) dir: PathBuf,

    /// A name from `hotclub db backups`, or a backup's folder; the newest proven one unless named
    pub(crate) backup: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportDumpArgs {
    /// What pg_dump wrote: an archive (-Fc) or SQL
    pub(crate) dump: PathBuf,

    /// The project's folder, or the name of a site that was deployed here
    #[arg(default_value = ".", value_name = "DIR|SITE", value_parser = super::place)]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DbUpgradeArgs {
    /// The project's folder, or the name of a site that was deployed here
    #[arg(value_name = "DIR|SITE", value_parser = super::place)]
    pub(crate) dir: PathBuf,

    /// The major version, as 17; its programs must be installed
    #[arg(value_name = "VERSION")]
    pub(crate) to: u32,

    #[command(flatten)]
    pub(crate) host: AtHost,
}

/// The host that serves the site, if one does.
#[derive(Debug, clap::Args)]
pub(crate) struct AtHost {
    /// The control socket of the host that serves the site (default: that of the state folder it was deployed to)
    #[arg(long, value_name = "PATH", env = "HOTCLUB_SOCKET")]
    pub(crate) control: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct OldArgs {
    /// The project's folder, or the name of a site that was deployed here
    #[arg(default_value = ".", value_name = "DIR|SITE", value_parser = super::place)]
    pub(crate) dir: PathBuf,

    /// Which, as `hotclub db backups` names it
    pub(crate) when: Option<String>,

    #[command(flatten)]
    pub(crate) host: AtHost,
}
