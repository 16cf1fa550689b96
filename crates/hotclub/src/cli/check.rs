//! `hotclub check`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The site's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,

    /// Check a server's file and all its sites instead
    #[arg(long, short, value_name = "FILE", conflicts_with = "dir")]
    pub(crate) config: Option<PathBuf>,
}
