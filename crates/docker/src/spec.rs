//! One container as Hotclub starts it: what it runs, what it shares with the host, how much it may take.

use std::path::PathBuf;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType};
use serde::{Deserialize, Serialize};

use crate::Owner;

/// A folder or file of the host in a container; with `volume`, a named volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    pub from: PathBuf,
    pub to: PathBuf,
    pub read_only: bool,
    #[serde(default)]
    pub volume: bool,
}

impl Bind {
    /// At the same place inside and outside.
    #[must_use]
    pub fn same(path: PathBuf, read_only: bool) -> Self {
        Self {
            from: path.clone(),
            to: path,
            read_only,
            volume: false,
        }
    }
}

/// What a container is made of. The image's ENTRYPOINT, user and environment stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSpec {
    pub owner: Owner,
    /// What it is for, in its name and label: `app`, `run`, `database`.
    pub role: String,
    pub image: String,
    pub binds: Vec<Bind>,
    /// A network's name; `None`: no network at all.
    pub network: Option<String>,
    /// The folder it starts in; `None`: the image's.
    pub workdir: Option<PathBuf>,
    /// Instead of the image's user.
    pub user: Option<String>,
    /// Bytes; what goes beyond is killed by the kernel.
    pub memory: Option<u64>,
}

impl RunSpec {
    /// The request that makes it. It publishes no port, whatever the image exposes.
    pub(crate) fn body(
        &self,
        command: Option<Vec<String>>,
        env: Vec<String>,
    ) -> ContainerCreateBody {
        let host = HostConfig {
            mounts: Some(self.binds.iter().map(mount).collect()),
            network_mode: Some(self.network.clone().unwrap_or_else(|| "none".into())),
            memory: self.memory.and_then(|bytes| i64::try_from(bytes).ok()),
            // Without swap on top, or the limit would be half of what it says.
            memory_swap: self.memory.and_then(|bytes| i64::try_from(bytes).ok()),
            security_opt: Some(vec!["no-new-privileges".into()]),
            log_config: Some(HostConfigLogConfig {
                typ: Some("none".into()),
                config: None,
            }),
            ..HostConfig::default()
        };
        ContainerCreateBody {
            image: Some(self.image.clone()),
            cmd: command,
            env: Some(env),
            labels: Some(self.owner.labels(&self.role)),
            working_dir: self.workdir.as_ref().map(|dir| dir.display().to_string()),
            user: self.user.clone(),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        }
    }
}

fn mount(bind: &Bind) -> Mount {
    let kind = if bind.volume {
        MountType::VOLUME
    } else {
        MountType::BIND
    };
    Mount {
        source: Some(bind.from.display().to_string()),
        target: Some(bind.to.display().to_string()),
        typ: Some(kind),
        read_only: Some(bind.read_only),
        ..Mount::default()
    }
}
