//! Why a proxied request has no answer: whose fault, in which phase, and what it was.

use std::io;
use std::time::Duration;

use crate::answer::AnswerError;
use crate::h1::ChunkError;
use crate::spool::BodyError;

/// What an exchange was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Connecting,
    Sending,
    Waiting,
    Reading,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Sending => "sending the request",
            Self::Waiting => "waiting for the answer",
            Self::Reading => "reading the answer",
        })
    }
}

/// What went wrong with an upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("nothing moved for {0:?}")]
    Timeout(Duration),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it closed the connection")]
    Ended,
    #[error("it sent {0}")]
    Malformed(&'static str),
    #[error("it sent {0}")]
    Field(#[from] AnswerError),
    #[error("{0}")]
    Chunk(#[from] ChunkError),
}

/// Why there is no answer to pass on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("upstream {upstream}, {phase}: {cause}")]
    Upstream {
        upstream: String,
        phase: Phase,
        cause: Cause,
    },
    #[error("every upstream of {url} fails its health check")]
    NoneInService { url: String },
    #[error("the request came back to us: this proxy, or one behind it, passes on to itself")]
    Loop,
    #[error(transparent)]
    Client(#[from] BodyError),
    #[error("ours, the request's body cannot be read back: {0}")]
    Spool(io::Error),
}

impl ProxyError {
    /// Whether an upstream kept us waiting.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::Upstream {
                cause: Cause::Timeout(_),
                ..
            }
        )
    }
}
