//! `hotclub export`.

use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// What to write
    #[arg(value_enum)]
    pub(crate) kind: ExportKind,

    /// The project's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,

    /// The folder to write into [default: DIR/export/KIND]
    #[arg(long, short, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,

    /// Write over files that are there
    #[arg(long)]
    pub(crate) force: bool,

    /// The image's name, with its registry (compose, swarm, kubernetes) [default: the site's name]
    #[arg(long, value_name = "NAME")]
    pub(crate) image: Option<String>,

    /// The user that the unit runs as (systemd) [default: the site's name]
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportKind {
    /// Docker Compose with Gunicorn, NGINX and PostgreSQL: runs without Hotclub
    Compose,
    /// The app's image alone, with Gunicorn in it
    Dockerfile,
    /// A stack for Docker Swarm
    Swarm,
    /// Manifests for Kubernetes
    Kubernetes,
    /// A unit that starts `hotclub up` with the machine
    Systemd,
}

impl ExportKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Compose => "compose",
            Self::Dockerfile => "dockerfile",
            Self::Swarm => "swarm",
            Self::Kubernetes => "kubernetes",
            Self::Systemd => "systemd",
        }
    }
}
