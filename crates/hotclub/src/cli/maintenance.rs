//! `hotclub maintenance`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct MaintenanceArgs {
    /// Whether visitors see the page for maintenance
    #[arg(value_enum)]
    pub(crate) wanted: Wanted,

    /// The site's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Wanted {
    On,
    Off,
}
