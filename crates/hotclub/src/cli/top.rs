//! `hotclub top`.

use super::At;

#[derive(Debug, clap::Args)]
pub(crate) struct TopArgs {
    /// All sites unless named
    pub(crate) site: Option<String>,

    /// End after so many looks (default: until `q` or Ctrl-C)
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,

    #[command(flatten)]
    pub(crate) at: At,
}
