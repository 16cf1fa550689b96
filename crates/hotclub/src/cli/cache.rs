//! `hotclub cache`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct CacheArgs {
    /// The folder of a site that is up
    pub(crate) site: PathBuf,

    #[command(subcommand)]
    pub(crate) action: CacheAction,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum CacheAction {
    /// Say what is kept, and what came of requests so far
    Stats {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Forget what is kept: everything, or only what is named
    Purge {
        /// A path such as /blog/, one and all below it with * at its end, or a Cache-Tag
        #[arg(value_name = "PATH|TAG")]
        what: Option<String>,
    },
}
