//! Commands that ask a running host.

use std::path::PathBuf;

use crate::control::SOCKET;

/// Where the host is reached.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct At {
    /// The host's control socket
    #[arg(long, global = true, value_name = "PATH", env = "HOTCLUB_SOCKET", default_value = SOCKET)]
    pub(crate) control: PathBuf,

    /// Print the answer as JSON, and events before it, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeployArgs {
    /// A project's folder, an archive of it (.tar, .tar.gz, .tgz, .zip), or a Git repository (URL or URL#BRANCH)
    #[arg(default_value = ".", value_name = "DIR|ARCHIVE|GIT-URL")]
    pub(crate) what: String,

    /// The site's name on the host (default: `name` in hotclub.toml, or the folder's)
    #[arg(long, value_name = "NAME")]
    pub(crate) site: Option<String>,

    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReleasesArgs {
    pub(crate) site: String,

    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RollbackArgs {
    pub(crate) site: String,

    /// A number from `hotclub releases`; the one before the live one unless named
    pub(crate) release: Option<u64>,

    /// Although migrations lie between, which stay as they are
    #[arg(long)]
    pub(crate) anyway: bool,

    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReloadArgs {
    /// All sites unless named
    pub(crate) site: Option<String>,

    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestartArgs {
    pub(crate) site: String,

    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RemoveArgs {
    pub(crate) site: String,

    /// And delete all that it kept: releases, database, uploads, backups
    #[arg(long)]
    pub(crate) data: bool,

    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// All sites unless named
    pub(crate) site: Option<String>,

    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    pub(crate) site: String,

    /// Go on with what comes, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,

    /// How many of the last lines
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    pub(crate) lines: usize,

    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct EnvArgs {
    pub(crate) site: String,

    #[command(subcommand)]
    pub(crate) command: EnvCommand,

    #[command(flatten)]
    pub(crate) at: At,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum EnvCommand {
    /// Set variables; the value of a name without `=` is read from stdin, where nobody sees it
    Set {
        #[arg(required = true, value_name = "NAME[=VALUE]")]
        variables: Vec<String>,
    },
    /// Take back what `set` has set
    Unset {
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// List the site's variables and where each comes from
    List {
        /// With their values
        #[arg(long)]
        show: bool,
    },
    /// Say where one variable comes from, and whether the settings read it
    Explain {
        name: String,

        /// With its value
        #[arg(long)]
        show: bool,
    },
}
