//! A fork server in a container: it shares no descriptor with us, so it connects to a socket in a folder that both
//! sides see; and its process ids are those of another namespace, so they are translated into ours.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
    sockopt::socket_peercred,
};
use rustix::process::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::strays;
use crate::sys;

/// Until a container has started and its ENTRYPOINT has done what it does (waiting for a database, say).
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(180);
/// A container takes a while to be taken down after its last process.
pub(crate) const END_GRACE: Duration = Duration::from_secs(10);

/// How the interpreter comes into its container.
#[derive(Clone, Debug)]
pub struct Contained {
    /// A program with its first arguments; the interpreter and its arguments follow. It stays until the container
    /// is gone, and what it finds in its environment is the app's.
    pub runner: Vec<OsString>,
    /// Our folder of sockets, which others on this machine cannot enter …
    pub sockets: PathBuf,
    /// … and where the container has it.
    pub inside: PathBuf,
}

/// A socket that waits for one fork server.
#[derive(Debug)]
pub(crate) struct Door {
    listener: AsyncFd<OwnedFd>,
    path: PathBuf,
    /// `HOTCLUB_CONTROL`
    pub(crate) named: OsString,
}

impl Door {
    pub(crate) fn open(contained: &Contained) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("control-{}-{number}", std::process::id());
        let path = contained.sockets.join(&name);
        let listener = socket_with(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        // The name of a socket may be 107 bytes long, that of a folder 4,095.
        let folder = std::fs::File::open(&contained.sockets)?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
        let short = format!("/proc/self/fd/{number}/{name}");
        bind(&listener, &SocketAddrUnix::new(short)?)?;
        listen(&listener, 1)?;
        // The container's user may be any; who can enter the folder decides.
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(&path, everybody)?;
        let mut named = OsString::from("unix:");
        named.push(contained.inside.join(&name));
        Ok(Self {
            listener: sys::pollable(listener, Interest::READABLE)?,
            path,
            named,
        })
    }

    /// The one connection, and the process at its other end as our namespace numbers it. Cancel safe.
    pub(crate) async fn accept(&self) -> io::Result<(OwnedFd, Option<Pid>)> {
        loop {
            let mut ready = self.listener.readable().await?;
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match accept_with(self.listener.get_ref(), flags) {
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
                Ok(connection) => {
                    let peer = socket_peercred(&connection).ok();
                    return Ok((connection, peer.map(|peer| peer.pid)));
                }
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Only its name; the connection stays.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The command that runs `python -u WORKER` in the container.
pub(crate) fn command(contained: &Contained, python: &Path, worker: &Path) -> Command {
    let mut words = contained.runner.iter();
    let mut command = Command::new(words.next().map_or("false".as_ref(), OsString::as_os_str));
    command.args(words).arg(python).arg("-u").arg(worker);
    command
}

/// The child of `parent` that its own namespace knows as `inner`; `None` when it has ended.
pub(crate) fn child(parent: Pid, inner: i32) -> Option<Pid> {
    let mut children = strays::children(parent).into_iter();
    children.find(|child| {
        let status = format!("/proc/{}/status", child.as_raw_pid());
        innermost(&status) == u64::try_from(inner).ok()
    })
}

/// The thread of `process` that its own namespace knows as `inner`.
pub(crate) fn thread(process: u64, inner: u64) -> Option<u64> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let names = tasks.flatten().map(|task| task.file_name());
    let mut threads = names.filter_map(|name| name.to_str()?.parse::<u64>().ok());
    threads
        .find(|thread| innermost(&format!("/proc/{process}/task/{thread}/status")) == Some(inner))
}

/// The last number of `NSpid` (proc(5)): what the process calls itself.
fn innermost(status: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_the_same_namespace_is_known_by_its_own_number() {
        let own = rustix::process::getpid();
        let mut child_process = Command::new("sleep").arg("300").spawn().unwrap();
        let raw = i32::try_from(child_process.id()).unwrap();
        assert_eq!(child(own, raw).map(Pid::as_raw_pid), Some(raw));
        child_process.kill().unwrap();
        child_process.wait().unwrap();
        assert_eq!(child(own, raw), None);
        let main = u64::try_from(own.as_raw_pid()).unwrap();
        assert_eq!(thread(main, main), Some(main));
    }

    #[tokio::test]
    async fn whoever_connects_is_known_by_its_process_id() {
        let folder = tempfile::tempdir().unwrap();
        let contained = Contained {
            runner: Vec::new(),
            sockets: folder.path().to_owned(),
            inside: folder.path().to_owned(),
        };
        let door = Door::open(&contained).unwrap();
        let kind = SocketFlags::CLOEXEC;
        let client = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, kind, None).unwrap();
        let address = SocketAddrUnix::new(&door.path).unwrap();
        rustix::net::connect(&client, &address).unwrap();
        let (_connection, peer) = door.accept().await.unwrap();
        assert_eq!(peer, Some(rustix::process::getpid()));
        let path = door.path.clone();
        drop(door);
        assert!(!path.exists());
    }
}
