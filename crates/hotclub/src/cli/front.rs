//! `hotclub front` and `hotclub acme`: started by Hotclub itself, and by nobody else.

use std::path::PathBuf;

use hotclub_supervise::RunAs;

#[derive(Debug, clap::Args)]
pub(crate) struct FrontArgs {
    /// The folder that becomes the process's root
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,

    /// The one folder that it may write to
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: PathBuf,

    /// Whom it becomes
    #[arg(long, value_name = "UID:GID", value_parser = user)]
    pub(crate) user: Option<RunAs>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AcmeArgs {
    /// Whom it becomes
    #[arg(long, value_name = "UID:GID", value_parser = user)]
    pub(crate) user: Option<RunAs>,
}

fn user(text: &str) -> Result<RunAs, String> {
    let parsed = text.split_once(':').and_then(|(uid, gid)| {
        let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
        Some(RunAs { uid, gid })
    });
    parsed.ok_or_else(|| "write two numbers: UID:GID".to_owned())
}
