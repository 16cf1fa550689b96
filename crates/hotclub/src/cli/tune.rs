//! `hotclub tune`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct TuneArgs {
    /// The project's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,

    /// Paths of pages to measure (default: the home page and what it links to)
    #[arg(value_name = "URL")]
    pub(crate) urls: Vec<String>,

    /// Seconds of measuring for each variant
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,

    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}
