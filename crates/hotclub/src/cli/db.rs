//! `hotclub db`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct DbArgs {
    #[command(subcommand)]
    pub(crate) command: DbCommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum DbCommand {
    /// Copy the database and the media folder, and prove the copy by restoring it beside
    Backup(BackupsArgs),
    /// List the backups, and what restores have put aside
    Backups(BackupsArgs),
    /// Restore a backup beside the live data, check it, and swap
    Restore(RestoreArgs),
    /// Go back to what a restore put aside
    Undo(OldArgs),
    /// Drop what restores have put aside
    DropOld(OldArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct BackupsArgs {
    /// The project's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,

    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// The project's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,

    /// A name from `hotclub db backups`, or a backup's folder; the newest proven one unless named
    pub(crate) backup: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct OldArgs {
    /// The project's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,

    /// Which, as `hotclub db backups` names it
    pub(crate) when: Option<String>,
}
