//! What the front asks of an app and what it gets back.

use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::Bytes;
use hotclub_wire::EnvironWriter;

use crate::answer::AnswerBody;

/// One complete request for an app.
#[derive(Debug)]
pub struct Call {
    /// The CGI variables, headers included.
    pub environ: EnvironWriter,
    pub body: CallBody,
    /// The request may run a second time if the worker that had it dies before it answered
    /// (GET, HEAD and OPTIONS, when the site allows it).
    pub retry: bool,
}

/// The body of a request: complete before the app is asked.
#[derive(Debug)]
pub enum CallBody {
    None,
    /// At most [`hotclub_wire::INLINE_BODY_MAX`] bytes.
    Inline(Bytes),
    /// A file or memfd that holds exactly the body from offset 0.
    File {
        file: OwnedFd,
        len: u64,
    },
}

/// The beginning of an app's answer; the body follows through [`AnswerBody::next`].
#[derive(Debug)]
pub struct Answer {
    /// 100 to 999.
    pub status: u16,
    /// `reason NUL name NUL value NUL …`, to be walked by [`hotclub_wire::HeadFields`]. Not to be
    /// trusted: the front checks names and values.
    pub head: Bytes,
    pub body: AnswerBody,
    pub times: Times,
}

/// Where the time of a request went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// From the front's hands to a worker's.
    pub queued: Duration,
    /// From the worker's hands to the head of the answer.
    pub app: Duration,
}

/// The answer broke off after its head: the app failed, was killed or gave too few bytes. The client's
/// connection must be cut, so that it can see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the app's answer broke off")]
pub struct Cut;

/// Why a call has no answer. `front::respond` turns these into statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("the queue of the app is full")]
    QueueFull,
    #[error("no worker was free before the queue's deadline")]
    QueueTimeout(Times),
    #[error("the app did not answer before its deadline")]
    Deadline(Times),
    #[error("the worker died with the request in hand")]
    WorkerDied,
    /// Seen only inside this crate: such a request is queued again.
    #[error("the worker died before it began the request")]
    NeverStarted,
    #[error("the environ is larger than a queue message")]
    TooLarge,
    /// The generation was closed before the request was queued: ask the next one.
    #[error("the generation is closed")]
    Closed,
    #[error("the queue cannot be written: {0}")]
    Io(rustix::io::Errno),
}

impl CallError {
    /// Where the time went, as far as that is known.
    #[must_use]
    pub fn times(&self) -> Times {
        match self {
            Self::QueueTimeout(times) | Self::Deadline(times) => *times,
            _ => Times::default(),
        }
    }
}
