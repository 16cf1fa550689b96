//! What one input says and another needs: how the app was reached, and which folders of containers lie where.

use std::path::{Path, PathBuf};

use crate::ledger::Id;
use crate::shelf;

#[derive(Debug, Default)]
pub(crate) struct Stack {
    /// Whether some input says what the app is.
    pub(crate) has_app: bool,
    /// `web:8000`, `localhost:8005`, `unix:/run/x.sock`: where the old web server found the app.
    pub(crate) app_at: Vec<String>,
    /// Where the app would listen when no web server is among the inputs: it was published there.
    pub(crate) published: Vec<String>,
    /// Folders of the host that containers see, and where.
    pub(crate) mounts: Vec<Mount>,
    /// The names of Compose services that are not the site's own: caches, queues, other databases.
    pub(crate) strangers: Vec<String>,
    /// The old database, where it was a service.
    pub(crate) database: Option<OldDatabase>,
    /// The project's name in Compose.
    pub(crate) name: Option<String>,
    pub(crate) from_compose: bool,
    pub(crate) from_nginx: bool,
    /// `limit_req`s with their paths, until their zones are known.
    pub(crate) limited: Vec<(Vec<String>, String, Id)>,
    /// Dockerfiles that were read, from the folder of `hotclub.toml`.
    pub(crate) dockerfiles: Vec<String>,
    /// `--command` has been read.
    pub(crate) took_command: bool,
    /// A value that is secret by its name is in the draft.
    pub(crate) wrote_secret: bool,
    /// `CSRF_TRUSTED_ORIGINS=*`, which Django refuses.
    pub(crate) csrf_star: Option<(String, Id)>,
    /// Ports of a web server in the Compose file: on the host, and in the container.
    pub(crate) web_ports: Vec<(String, String)>,

    /// Folders of uploads that lie in named volumes.
    pub(crate) volumes: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Mount {
    pub(crate) host: PathBuf,
    /// In the container.
    pub(crate) target: PathBuf,
}

/// A PostgreSQL that Compose runs.
#[derive(Debug, Clone)]
pub(crate) struct OldDatabase {
    pub(crate) service: String,
    pub(crate) user: Option<String>,
    pub(crate) name: Option<String>,
}

impl Stack {
    /// Where a path of a container lies on the host; the longest mount decides.
    pub(crate) fn on_host(&self, path: &Path) -> Option<PathBuf> {
        let clean = shelf::joined(Path::new("/"), path.to_str()?);
        let mounts = self
            .mounts
            .iter()
            .filter(|mount| clean.starts_with(&mount.target));
        let mount = mounts.max_by_key(|mount| mount.target.components().count())?;
        let rest = clean.strip_prefix(&mount.target).ok()?;
        Some(match rest.as_os_str().is_empty() {
            true => mount.host.clone(),
            false => mount.host.join(rest),
        })
    }

    /// Whether the app was reached here. A loopback address and a name of the machine are the same.
    pub(crate) fn is_app(&self, address: &str) -> bool {
        let plain = |address: &str| {
            let address = address.trim_end_matches('/').to_ascii_lowercase();
            match address.rsplit_once(':') {
                Some((host, port)) if is_local(host) => format!("localhost:{port}"),
                _ => address,
            }
        };
        self.app_at
            .iter()
            .any(|known| plain(known) == plain(address))
    }
}

fn is_local(host: &str) -> bool {
    matches!(
        host,
        "localhost"
            | "127.0.0.1"
            | "[::1]"
            | "0.0.0.0"
            | "[::]"
            | ""
            | "host.docker.internal"
            | "172.17.0.1"
    )
}
