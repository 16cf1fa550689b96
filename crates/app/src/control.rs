//! The control socket between supervisor and fork server: JSON messages, descriptors beside them.

use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::generation::{Surroundings, Tune};

use crate::sys;

/// Largest control message, in bytes; the protocol cuts tracebacks to fit.
const MESSAGE_MAX: usize = 60_000;
/// Descriptors one message may carry (the kernel's SCM_MAX_FD is 253).
const DESCRIPTORS_MAX: usize = 250;

/// What the supervisor tells a fork server.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Order {
    Load(Box<Load>),
    Fork {
        slot: usize,
    },
    Signal {
        slot: usize,
        signal: i32,
        /// Everything that the worker started as well.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        group: bool,
    },
    Quit,
}

/// What to import and how to run it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Load {
    pub(crate) app: String,
    pub(crate) chdir: PathBuf,
    pub(crate) pythonpath: Vec<PathBuf>,
    pub(crate) threads: usize,
    pub(crate) lanes: usize,
    pub(crate) slots: usize,
    pub(crate) preload: bool,
    pub(crate) settings: BTreeMap<String, serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tune: Option<TuneOrder>,
    pub(crate) mode: &'static str,
    pub(crate) server_software: String,
}

/// Which tunings are wanted, and what a kept connection is multiplied by.
#[derive(Clone, Debug, Serialize)]
pub struct TuneOrder {
    #[serde(flatten)]
    pub parts: Tune,
    #[serde(flatten)]
    pub surroundings: Surroundings,
    pub workers: usize,
    pub threads: usize,
}

/// What a fork server reports.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Report {
    Hello {
        protocol: u32,
        python: String,
    },
    Loaded(Loaded),
    Failed {
        error: AppFailure,
        slot: Option<usize>,
        /// `None` when no process came to be.
        #[serde(default)]
        pid: Option<i32>,
    },
    Forked {
        slot: usize,
        pid: i32,
    },
    Ready {
        slot: usize,
    },
    Exited {
        slot: usize,
        pid: i32,
        code: Option<i32>,
        signal: Option<i32>,
        /// The most resident bytes it ever had; 0 when unknown.
        #[serde(default)]
        maxrss: u64,
    },
}

/// The app is imported.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Loaded {
    /// Seconds the import took.
    pub seconds: f64,
    /// Django's version, if the app imported Django.
    pub django: Option<String>,
    /// Names of threads the app had started before the fork; they do not exist in the workers.
    #[serde(default)]
    pub threads: Vec<String>,
    /// Resident bytes of the fork server.
    #[serde(default)]
    pub rss: u64,
    /// What was tuned, and what was looked at and left alone.
    #[serde(default)]
    pub tuned: Vec<Finding>,
    /// What the settings do to several workers.
    #[serde(default)]
    pub warnings: Vec<Advice>,
}

/// One thing that a tuning looked at.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Finding {
    /// The key of `[app.tune]`.
    pub tuning: String,
    /// The setting: `DATABASES['default']`.
    pub at: String,
    pub done: bool,
    /// What was done, or why nothing was.
    pub what: String,
    /// What to write into the settings to have the same for ever.
    #[serde(default)]
    pub code: Option<String>,
}

/// A doubt with its cure.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Advice {
    pub message: String,
    pub hint: String,
}

/// Why an app cannot be imported.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct AppFailure {
    /// The exception's class.
    #[serde(rename = "type")]
    pub kind: String,
    pub message: String,
    /// Frames of the user's own code, outermost first.
    #[serde(default)]
    pub frames: Vec<Frame>,
    /// The whole traceback.
    #[serde(default)]
    pub traceback: String,
    /// What had been tuned before.
    #[serde(default)]
    pub tuned: Vec<Finding>,
}

/// One frame of a traceback.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Frame {
    pub file: String,
    pub line: u32,
    pub function: String,
    #[serde(default)]
    pub code: String,
}

/// The supervisor's end of a control socket.
#[derive(Debug)]
pub(crate) struct Control(AsyncFd<OwnedFd>);

impl Control {
    /// A control socket and the end that becomes the fork server's descriptor 0.
    pub(crate) fn pair() -> std::io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        Ok((
            Self(sys::pollable(
                ours,
                Interest::READABLE | Interest::WRITABLE,
            )?),
            theirs,
        ))
    }

    /// The control socket of a fork server that has connected to us.
    pub(crate) fn over(connection: OwnedFd) -> std::io::Result<Self> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        Ok(Self(sys::pollable(connection, interest)?))
    }

    /// Sends an order with its descriptors.
    pub(crate) async fn send(
        &self,
        order: &Order,
        files: &[BorrowedFd<'_>],
    ) -> std::io::Result<()> {
        let bytes = serde_json::to_vec(order)?;
        loop {
            let mut ready = self.0.writable().await?;
            match send(self.0.get_ref(), &bytes, files) {
                Err(Errno::AGAIN) => ready.clear_ready(),
                outcome => return Ok(outcome?),
            }
        }
    }

    /// The next report; `None` when the fork server is gone. Cancel safe.
    pub(crate) async fn receive(&self) -> std::io::Result<Option<Report>> {
        let mut bytes = vec![0; MESSAGE_MAX];
        loop {
            let mut ready = self.0.readable().await?;
            match receive(self.0.get_ref(), &mut bytes) {
                Err(Errno::AGAIN) => ready.clear_ready(),
                // Said once, of a fork server that died with orders unread; what it had reported still comes.
                Err(Errno::CONNRESET) => {}
                Ok(0) => return Ok(None),
                Ok(read) => return Ok(Some(serde_json::from_slice(&bytes[..read])?)),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn send(socket: &OwnedFd, bytes: &[u8], files: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    const SPACE: usize = rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX));
    let mut space = [std::mem::MaybeUninit::uninit(); SPACE];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(files));
    }
    sendmsg(
        socket.as_fd(),
        &[IoSlice::new(bytes)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )
    .map(|_| ())
}

fn receive(socket: &OwnedFd, bytes: &mut [u8]) -> Result<usize, Errno> {
    let mut no_files = RecvAncillaryBuffer::default();
    let mut room = [IoSliceMut::new(bytes)];
    Ok(recvmsg(socket, &mut room, &mut no_files, RecvFlags::CMSG_CLOEXEC)?.bytes)
}
