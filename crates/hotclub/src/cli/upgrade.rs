//! `hotclub upgrade`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct UpgradeArgs {
    /// The file that `serve --pid` writes
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "pid",
        conflicts_with = "pid"
    )]
    pub(crate) pid_file: Option<PathBuf>,

    /// The server's process id, for those that write no file
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Option<u32>,

    /// Print the outcome as a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
