//! `hotclub upgrade`: asks a running program to let itself be replaced, and says what came of it.

use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};

use super::asker::Verdict;
use super::{DEADLINE, PATIENCE};
use crate::cli::UpgradeArgs;
use crate::console::{Console, Event, Failure};

/// Bytes of a verdict, at most: a message and a shortened traceback.
const VERDICT_MAX: u64 = 64 * 1024;
/// How often we look whether the server still lives.
const GLANCE: Duration = Duration::from_millis(100);

/// Returns when another program serves, or fails with the reason why the old one goes on.
pub(crate) async fn run(args: &UpgradeArgs, console: &Console) -> Result<(), Failure> {
    let pid = match (&args.pid, &args.pid_file) {
        (Some(pid), _) => *pid,
        (None, Some(file)) => read(file)?,
        (None, None) => return Err(Failure::new("neither --pid nor --pid-file is given")),
    };
    let server = Server::find(pid)?;
    let ear = Ear::open(pid)?;
    server.ask()?;
    let patience = DEADLINE + PATIENCE;
    let verdict = tokio::select! {
        biased;
        verdict = ear.listen() => verdict?,
        gone = server.gone() => return Err(gone),
        () = tokio::time::sleep(patience) => {
            return Err(Failure::new(format!("process {pid} has not said within {patience:?} what came of it"))
                .hint("its log says more"));
        }
    };
    match verdict {
        Verdict::Serves(new) => {
            let human = format!("process {new} serves in the place of {pid}");
            console.event(&Event::Upgraded { old: pid, pid: new }, &human);
            Ok(())
        }
        Verdict::Failed(mut failure) => {
            failure.message = format!("not upgraded, process {pid} goes on: {}", failure.message);
            Err(failure)
        }
    }
}

fn read(file: &Path) -> Result<u32, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::new(format!("{} cannot be read: {error}", file.display()))
            .hint("is the server running, and was it started with --pid and this file?")
    })?;
    let pid = text.trim().parse();
    pid.map_err(|_| Failure::new(format!("{} holds no process id", file.display())))
}

/// The running program, which cannot be mistaken for a later process with its number.
struct Server {
    pid: u32,
    handle: OwnedFd,
}

impl Server {
    /// A process that is a `serve` of ours as far as one can see: to others this signal might be deadly.
    fn find(pid: u32) -> Result<Self, Failure> {
        let missing = || {
            Failure::new(format!("there is no process {pid}"))
                .hint("the server has ended; start it")
        };
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let handle = pidfd_open(number.ok_or_else(missing)?, PidfdFlags::NONBLOCK)
            .map_err(|_gone| missing())?;
        if !is_server(pid) {
            return Err(
                Failure::new(format!("process {pid} is no running `hotclub serve`"))
                    .hint("an old pid file?"),
            );
        }
        if !shares_our_namespaces(pid) {
            return Err(Failure::new(format!("process {pid} runs in a container"))
                .hint("run `hotclub upgrade` inside it"));
        }
        Ok(Self { pid, handle })
    }

    fn ask(&self) -> Result<(), Failure> {
        pidfd_send_signal(&self.handle, Signal::USR2).map_err(|error| {
            Failure::new(format!("process {} cannot be asked: {error}", self.pid))
                .hint("run this command as the user that runs the server, or as root")
        })
    }

    fn has_ended(&self) -> bool {
        let now = Timespec::default();
        // A descriptor of a process can be read once that has ended.
        let mut polled = [PollFd::new(&self.handle, PollFlags::IN)];
        !matches!(poll(&mut polled, Some(&now)), Ok(0))
    }

    async fn gone(&self) -> Failure {
        while !self.has_ended() {
            tokio::time::sleep(GLANCE).await;
        }
        Failure::new(format!(
            "process {} ended, and no other took over",
            self.pid
        ))
        .hint("its log says why; start it again")
    }
}

/// Whether it was started as one and has taken the signal over.
fn is_server(pid: u32) -> bool {
    const USR2: u32 = Signal::USR2.as_raw().cast_unsigned() - 1;
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let serves = matches!(
        command.split(|byte| *byte == 0).nth(1),
        Some(b"serve" | b"up")
    );
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    serves && caught.is_some_and(|mask| mask >> USR2 & 1 == 1)
}

/// Elsewhere it has another number and does not find our socket.
fn shares_our_namespaces(pid: u32) -> bool {
    ["pid", "net"].iter().all(|kind| {
        let link = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/{kind}"));
        match (link(&pid.to_string()), link("self")) {
            (Ok(its), Ok(ours)) => its == ours,
            // We may not look: then we may not send it a signal either, which says more.
            _ => true,
        }
    })
}

/// Where the verdict comes in.
struct Ear {
    pid: u32,
    socket: UnixListener,
}

impl Ear {
    fn open(pid: u32) -> Result<Self, Failure> {
        let address = SocketAddr::from_abstract_name(super::socket_name(pid))?;
        let socket = StdListener::bind_addr(&address).map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => Failure::new(format!(
                "another `hotclub upgrade` waits for process {pid} already"
            )),
            _ => error.into(),
        })?;
        socket.set_nonblocking(true)?;
        let socket = UnixListener::from_std(socket)?;
        Ok(Self { pid, socket })
    }

    async fn listen(&self) -> Result<Verdict, Failure> {
        let silent = || {
            Failure::new(format!("process {} was told to stop meanwhile", self.pid))
                .hint("its log says more")
        };
        let mut text = Vec::new();
        let speaker = self.speaker().await?;
        speaker.take(VERDICT_MAX).read_to_end(&mut text).await?;
        serde_json::from_slice(&text).map_err(|_cut| silent())
    }

    /// The server and nobody who pretends to be it.
    async fn speaker(&self) -> Result<UnixStream, Failure> {
        loop {
            let (stream, _) = self.socket.accept().await?;
            if stream.peer_cred()?.pid() == i32::try_from(self.pid).ok() {
                return Ok(stream);
            }
        }
    }
}
