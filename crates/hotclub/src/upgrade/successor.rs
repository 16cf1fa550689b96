//! The old program's side.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt;
use tokio::process::Child;
use tokio::time::Instant;

use super::{Asker, DEADLINE, Letter, PATIENCE, READY, VARIABLE, VERSION};
use crate::console::Failure;
use crate::listeners::Listeners;
use crate::systemd::Systemd;

/// Bytes of a new program's reason not to serve, at most.
const FAILURE_MAX: usize = 64 * 1024;
/// The kernel passes 253 descriptors at once.
const SOCKETS_MAX: usize = 250;

/// Replaces this program, when it is told to. Dropped once the new one serves, it lets that know that it is
/// the service now: the socket between them is closed.
#[derive(Debug)]
pub(crate) struct Upgrade {
    program: PathBuf,
    systemd: Systemd,
    successor: Option<Successor>,
    /// Waits to hear what comes of it.
    pub(crate) asker: Option<Asker>,
}

/// A new program that does not serve yet.
#[derive(Debug)]
struct Successor {
    child: Child,
    socket: tokio::net::UnixStream,
    deadline: Instant,
    /// That it serves, or why not.
    said: Vec<u8>,
}

impl Upgrade {
    pub(crate) fn new(program: PathBuf, systemd: Systemd) -> Self {
        Self {
            program,
            systemd,
            successor: None,
            asker: None,
        }
    }

    /// Starts the new program, with our arguments and environment, and gives it the sockets.
    pub(crate) fn begin(
        &mut self,
        listeners: &Listeners,
        metrics: &Listeners,
        workers: usize,
    ) -> Result<(), Failure> {
        if self.successor.is_some() {
            return Err(Failure::new("an upgrade is under way already"));
        }
        if std::process::id() == 1 {
            return Err(
                Failure::new("this program is process 1: its container would end with it")
                    .hint("start a container of the new image and stop this one"),
            );
        }
        let started = self.start(listeners, metrics, workers).map_err(|error| {
            Failure::new(format!(
                "{} cannot be started: {error}",
                self.program.display()
            ))
        })?;
        self.successor = Some(started);
        Ok(())
    }

    fn start(
        &self,
        listeners: &Listeners,
        metrics: &Listeners,
        workers: usize,
    ) -> std::io::Result<Successor> {
        let (ours, theirs) = UnixStream::pair()?;
        Self::send(&ours, listeners, metrics, workers)?;
        let mut command = std::process::Command::new(&self.program);
        command
            .args(std::env::args_os().skip(1))
            .env(VARIABLE, VERSION)
            .stdin(Stdio::from(OwnedFd::from(theirs)));
        self.systemd.pass_on(&mut command);
        ours.set_nonblocking(true)?;
        Ok(Successor {
            socket: tokio::net::UnixStream::from_std(ours)?,
            child: tokio::process::Command::from(command).spawn()?,
            deadline: Instant::now() + DEADLINE,
            said: Vec::new(),
        })
    }

    fn send(
        socket: &UnixStream,
        listeners: &Listeners,
        metrics: &Listeners,
        workers: usize,
    ) -> std::io::Result<()> {
        let all = listeners.iter().chain(metrics.iter());
        let sockets: Vec<_> = all.map(|listener| listener.as_fd()).collect();
        let letter = serde_json::to_vec(&Letter {
            listeners: listeners.iter().count(),
            metrics: metrics.iter().next().is_some(),
            workers,
            keep_paths: listeners.keeps_paths(),
        })?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
            return Err(std::io::ErrorKind::ArgumentListTooLong.into());
        }
        sendmsg(
            socket,
            &[IoSlice::new(&letter)],
            &mut control,
            SendFlags::empty(),
        )?;
        Ok(())
    }

    /// The new program's process id once it serves; waits for ever while none is started. After a failure
    /// nothing of the new program is left. Cancel safe.
    pub(crate) async fn outcome(&mut self) -> Result<u32, Failure> {
        let Some(successor) = &mut self.successor else {
            return std::future::pending().await;
        };
        let outcome = tokio::time::timeout_at(successor.deadline, successor.serves()).await;
        let outcome = outcome.unwrap_or_else(|_elapsed| {
            Err(Failure::new(format!(
                "the new program does not serve after {DEADLINE:?}"
            )))
        });
        if outcome.is_err() {
            self.give_up().await;
        }
        outcome
    }

    /// Ends a new program that does not serve yet.
    pub(crate) async fn give_up(&mut self) {
        if let Some(mut successor) = self.successor.take() {
            // Asked first: killed, it would leave a fork server behind that notices only after its import.
            successor.ask_to_end();
            let ended = tokio::time::timeout(PATIENCE, successor.child.wait()).await;
            if ended.is_err() {
                // It may have ended by itself.
                let _ = successor.child.kill().await;
            }
        }
    }
}

impl Successor {
    fn ask_to_end(&self) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // It may be gone.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    async fn serves(&mut self) -> Result<u32, Failure> {
        // One write of a few bytes comes in one piece.
        let count = self.socket.read_buf(&mut self.said).await.unwrap_or(0);
        if self.said == READY
            && let Some(pid) = self.child.id()
        {
            return Ok(pid);
        }
        while count > 0
            && self.said.len() < FAILURE_MAX
            && self
                .socket
                .read_buf(&mut self.said)
                .await
                .is_ok_and(|count| count > 0)
        {}
        let status = self.child.wait().await?;
        if let Ok(reason) = serde_json::from_slice(&self.said) {
            return Err(reason);
        }
        Err(
            Failure::new(format!("the new program ended before it served ({status})"))
                .hint("its own words are above"),
        )
    }
}
