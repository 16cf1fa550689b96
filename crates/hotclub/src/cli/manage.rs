//! `hotclub manage`.

use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct ManageArgs {
    /// The project's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,

    /// What manage.py is given, e.g. `-- createsuperuser`
    #[arg(last = true, required = true)]
    pub(crate) args: Vec<OsString>,
}
