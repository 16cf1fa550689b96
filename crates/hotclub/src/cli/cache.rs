//! `hotclub cache`.

use std::path::Path;

use super::At;

#[derive(Debug, clap::Args)]
pub(crate) struct CacheArgs {
    /// A site of the host by its name, or the folder of a site that is up (with a slash or a dot: `.`, `./shop`)
    #[arg(value_name = "SITE|DIR")]
    pub(crate) site: String,

    #[command(subcommand)]
    pub(crate) action: CacheAction,

    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum CacheAction {
    /// Say what is kept, and what came of requests so far
    Stats,
    /// Forget what is kept: everything, or only what is named
    Purge {
        /// A path such as /blog/, one and all below it with * at its end, or a Cache-Tag
        #[arg(value_name = "PATH|TAG")]
        what: Option<String>,
    },
}

impl CacheArgs {
    /// The folder of a site that is up; none where the host is asked.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.site
            .contains(['/', '.'])
            .then(|| Path::new(&self.site))
    }
}
