//! One child process in a process group of its own, so that the terminal's Ctrl-C does not reach it
//! and that it can be ended with everything it started.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::Child;

/// The user and group a child runs as; needs root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunAs {
    pub uid: u32,
    pub gid: u32,
}

/// How a child was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended within its grace.
    Graceful(ExitStatus),
    /// It had to be killed.
    Killed,
}

/// A running child, killed with its group when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: Option<Pid>,
}

impl Process {
    /// Starts `command` as the leader of a new process group. With `run_as`, its supplementary groups
    /// are dropped as well (the standard library does that when it changes the user).
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(mut command: Command, run_as: Option<RunAs>) -> io::Result<Self> {
        command.process_group(0);
        if let Some(RunAs { uid, gid }) = run_as {
            command.gid(gid).uid(uid);
        }
        let child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, pid })
    }

    /// The process id; `None` after its end was waited for.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end. May be called again.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Sends a signal to the process itself.
    pub fn signal(&self, signal: Signal) {
        if let (Some(pid), true) = (self.pid, self.child.id().is_some()) {
            // It may have ended in the meantime.
            let _ = kill_process(pid, signal);
        }
    }

    /// Kills it and everything in its group.
    pub fn kill_group(&self) {
        if let (Some(pid), true) = (self.pid, self.child.id().is_some()) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    /// Sends `signal`, waits at most `grace`, then kills the group.
    ///
    /// # Errors
    /// When the system cannot tell whether it ended.
    pub async fn stop(&mut self, signal: Signal, grace: Duration) -> io::Result<Ending> {
        self.signal(signal);
        self.wait_or_kill(grace).await
    }

    /// Waits at most `grace` for its end, then kills the group.
    ///
    /// # Errors
    /// When the system cannot tell whether it ended.
    pub async fn wait_or_kill(&mut self, grace: Duration) -> io::Result<Ending> {
        if let Ok(status) = tokio::time::timeout(grace, self.child.wait()).await {
            return status.map(Ending::Graceful);
        }
        self.kill_group();
        self.child.wait().await?;
        Ok(Ending::Killed)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_group();
    }
}
