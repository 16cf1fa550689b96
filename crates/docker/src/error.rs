//! What can go wrong with an engine, and what to do then.

use std::path::PathBuf;

use bollard::errors::Error as Api;

/// Why the engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    #[error("no container engine answers at {}", socket.display())]
    NotRunning { socket: PathBuf },
    #[error("the container engine's socket {} may not be used by this user", socket.display())]
    NotAllowed { socket: PathBuf },
    #[error("{0:?} is no Unix socket: an engine elsewhere cannot share a folder with this machine")]
    NotLocal(String),
    #[error("there is no image {0}")]
    NoImage(String),
    #[error("the image {image} cannot be pulled: {message}")]
    Pull { image: String, message: String },
    #[error("{kind} {name} exists and is not Hotclub's")]
    Foreign { kind: &'static str, name: String },
    #[error("the disk is full: {0}")]
    Full(String),
    #[error("the image could not be built\n{tail}")]
    Build { tail: String, log: Option<PathBuf> },
    #[error("{} is not in the build context", .0.display())]
    NoDockerfile(PathBuf),
    #[error("{}: {error}", path.display())]
    File {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("the container engine: {0}")]
    Api(String),
}

impl DockerError {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotRunning { .. } => {
                "start it (systemctl start docker), or name its socket: `engine` under [runtime], or DOCKER_HOST"
                    .to_owned()
            }
            Self::NotAllowed { .. } => {
                "add this user to the group `docker` (whoever is in it is as good as root), or use Podman's \
                 socket, which is the user's own"
                    .to_owned()
            }
            Self::NotLocal(_) => "write unix:///path/to/docker.sock".to_owned(),
            Self::NoImage(image) => format!("build it, or pull it: docker pull {image}"),
            Self::Pull { image, .. } => format!(
                "is its name right, and can the registry be reached? An image that is here already is not pulled: \
                 docker load, or docker tag … {image}"
            ),
            Self::Foreign { kind, name } => format!(
                "Hotclub leaves alone what is not its own: rename or remove that {kind} yourself \
                 (docker {kind} inspect {name}), or give the site another name"
            ),
            Self::Full(_) => {
                "make room: `docker system df` shows what takes it, `docker image prune` removes images that \
                 nobody uses"
                    .to_owned()
            }
            Self::Build { log: Some(log), .. } => format!("all of its output is in {}", log.display()),
            Self::NoDockerfile(_) => "see `dockerfile` and `context` under [runtime]".to_owned(),
            Self::Build { log: None, .. } | Self::File { .. } | Self::Api(_) => return None,
        })
    }

    /// The kernel and the engine say so in their own words.
    pub(crate) fn of_message(message: String) -> Self {
        let says = |text: &str| message.contains(text);
        if says("no space left on device") || says("disk quota exceeded") {
            return Self::Full(message);
        }
        Self::Api(message)
    }
}

impl From<Api> for DockerError {
    fn from(error: Api) -> Self {
        match error {
            Api::DockerResponseServerError { message, .. } => Self::of_message(message),
            other => Self::of_message(chain(&other)),
        }
    }
}

/// The error with its causes: hyper's own words say little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}

pub(crate) fn is_missing(error: &Api) -> bool {
    matches!(
        error,
        Api::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}

/// Already so, or just under way.
pub(crate) fn is_conflict(error: &Api) -> bool {
    matches!(
        error,
        Api::DockerResponseServerError {
            status_code: 304 | 409,
            ..
        }
    )
}
