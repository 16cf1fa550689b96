//! `hotclub container`, which Hotclub itself calls.

use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct ContainerArgs {
    /// What the container is made of
    pub(crate) spec: PathBuf,

    /// What runs in it, under the image's ENTRYPOINT
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub(crate) command: Vec<OsString>,
}
