//! `hotclub up`.

use std::path::PathBuf;

use hotclub_config::{Listen, Local};

#[derive(Debug, clap::Args)]
pub(crate) struct UpArgs {
    /// The project's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,

    /// Listen on HOST:PORT, [IPv6]:PORT, :PORT, https://HOST:PORT or unix:PATH (repeatable; port 0 picks a free one)
    #[arg(long, short, value_name = "ADDR")]
    pub(crate) listen: Vec<Listen>,

    /// Worker processes (default: from the cores)
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub(crate) workers: Option<u32>,

    /// Watch the project's files and reload gracefully when they change
    #[arg(long)]
    pub(crate) reload: bool,

    /// Tell Prometheus metrics on this address: a loopback HOST:PORT, or unix:PATH
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics: Option<Local>,

    /// Print events to stdout, one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}
