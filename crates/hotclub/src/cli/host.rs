//! `hotclub host`.

use std::path::PathBuf;

use hotclub_config::{HOST_FILE, Listen};

use crate::control::STATE;

#[derive(Debug, clap::Args)]
pub(crate) struct HostArgs {
    /// The server's file, which names its sites
    #[arg(long, short, value_name = "FILE", default_value = HOST_FILE)]
    pub(crate) config: PathBuf,

    /// Listen on HOST:PORT, [IPv6]:PORT, :PORT or unix:PATH instead (repeatable; port 0 picks a free one)
    #[arg(long, short, value_name = "ADDR")]
    pub(crate) listen: Vec<Listen>,

    /// Where what must last is kept
    #[arg(long, value_name = "DIR", env = "HOTCLUB_STATE", default_value = STATE)]
    pub(crate) state: PathBuf,

    /// Where commands such as `hotclub status` reach it (default: /run/hotclub/control.sock, or STATE/control.sock
    /// where --state names another folder)
    #[arg(long, value_name = "PATH")]
    pub(crate) control: Option<PathBuf>,

    /// Who may use that socket beside this user and root
    #[arg(long, value_name = "GROUP")]
    pub(crate) control_group: Option<String>,

    /// Print events to stdout, one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}
