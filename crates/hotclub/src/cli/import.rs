//! `hotclub import`.

use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// Compose files, NGINX configurations, Procfiles, Dockerfiles, gunicorn.conf.py
    #[arg(value_name = "FILE", required_unless_present = "command")]
    pub(crate) files: Vec<PathBuf>,

    /// Where to write; the site's folder is this file's
    #[arg(long, short, value_name = "FILE", default_value = hotclub_config::FILE_NAME)]
    pub(crate) output: PathBuf,

    /// Write even if the file is there
    #[arg(long)]
    pub(crate) force: bool,

    /// The site's host, where the files have a placeholder for it (repeatable)
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,

    /// Gunicorn's command line, where no file has it
    #[arg(long, value_name = "COMMAND")]
    pub(crate) command: Option<String>,

    /// Show what would be written, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl ImportArgs {
    /// The folder that becomes the site's.
    pub(crate) fn dir(&self) -> &Path {
        let parent = self.output.parent();
        parent
            .filter(|dir| !dir.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
    }
}
