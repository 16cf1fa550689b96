//! `hotclub manage`.

use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct ManageArgs {
    /// The project's folder, or the name of a site that was deployed here
    #[arg(default_value = ".", value_name = "DIR|SITE", value_parser = super::place)]
    pub(crate) dir: PathBuf,

    /// What manage.py is given, e.g. `-- createsuperuser`
    #[arg(last = true, required = true)]
    pub(crate) args: Vec<OsString>,
}
