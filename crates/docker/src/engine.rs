//! The connection to the engine, by the socket that the configuration, the environment or custom names.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use bollard::{API_DEFAULT_VERSION, Docker};

use crate::DockerError;

/// Seconds for one answer. Waiting for a container's end and a build have no answer to wait for so long.
const TIMEOUT: u64 = 120;

/// An engine that has answered.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) docker: Docker,
    socket: PathBuf,
}

impl Engine {
    /// `named` is `[runtime] engine`; without it DOCKER_HOST, and then the usual places.
    ///
    /// # Errors
    /// When no engine answers there.
    pub async fn connect(named: Option<&str>) -> Result<Self, DockerError> {
        let from_environment = std::env::var("DOCKER_HOST").ok().filter(|v| !v.is_empty());
        let socket = match named.map(str::to_owned).or(from_environment) {
            Some(name) => socket_of(&name)?,
            None => usual(),
        };
        // The client's own words for a refusal are the same for every cause.
        UnixStream::connect(&socket).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => DockerError::NotAllowed {
                socket: socket.clone(),
            },
            _ => DockerError::NotRunning {
                socket: socket.clone(),
            },
        })?;
        let path = socket.to_string_lossy();
        let docker = Docker::connect_with_unix(&path, TIMEOUT, API_DEFAULT_VERSION)?;
        let docker = docker.negotiate_version().await?;
        Ok(Self { docker, socket })
    }

    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

fn socket_of(name: &str) -> Result<PathBuf, DockerError> {
    match name.split_once("://") {
        Some(("unix", path)) if path.starts_with('/') => Ok(path.into()),
        None if name.starts_with('/') => Ok(name.into()),
        _ => Err(DockerError::NotLocal(name.to_owned())),
    }
}

/// Docker's; then Docker's and Podman's of this user, Podman's of the system. The first where there is none at all.
fn usual() -> PathBuf {
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = own.map(|dir| [dir.join("docker.sock"), dir.join("podman/podman.sock")]);
    let first = PathBuf::from("/var/run/docker.sock");
    let mut places = vec![first.clone()];
    places.extend(own.into_iter().flatten());
    places.push("/run/podman/podman.sock".into());
    let found = places.into_iter().find(|place| place.exists());
    found.unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_socket_of_this_machine_is_an_engine() {
        assert_eq!(socket_of("unix:///a/b").unwrap(), Path::new("/a/b"));
        assert_eq!(socket_of("/a/b").unwrap(), Path::new("/a/b"));
        for name in [
            "tcp://10.0.0.1:2375",
            "ssh://u@h",
            "docker.sock",
            "unix://x",
        ] {
            assert!(
                matches!(socket_of(name), Err(DockerError::NotLocal(_))),
                "{name}"
            );
        }
    }
}
