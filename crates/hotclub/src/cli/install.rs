//! `hotclub install` and `hotclub uninstall`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct InstallArgs {
    /// Install below this folder: files only, no user, and systemd is not asked for anything
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) root: PathBuf,

    /// The system user that the host and its sites run as
    #[arg(long, value_name = "NAME", default_value = "hotclub")]
    pub(crate) user: String,

    /// Write everything, but do not start it
    #[arg(long)]
    pub(crate) no_start: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct UninstallArgs {
    /// The folder that was installed below
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) root: PathBuf,

    /// The system user
    #[arg(long, value_name = "NAME", default_value = "hotclub")]
    pub(crate) user: String,

    /// And delete the sites with all they keep, the configuration and the user
    #[arg(long)]
    pub(crate) data: bool,
}
