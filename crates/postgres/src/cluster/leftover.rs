//! A server that outlived the Hotclub which started it (`kill -9`). It is stopped, not adopted: only a
//! child can be waited for, its log may go to a file that is gone, and what it was told at its start may
//! no longer be true. Its clients died with their supervisor, so a fast shutdown takes nothing from anyone.
//!
//! Called under the cluster's lock: no other Hotclub uses this folder.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::error::Error;

/// For each of the three ways to end it, from polite to final.
const PATIENCE: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(30)),
    (Signal::QUIT, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(5)),
];

/// Higher than any process id can be (Linux ends at 2^22).
const NEVER_A_PID: i32 = (1 << 22) + 1;

/// Ends a server that still runs on this data directory, and returns when it is gone.
pub(crate) async fn stop(data: &Path) -> Result<(), Error> {
    let file = data.join("postmaster.pid");
    let Some(pid) = std::fs::read_to_string(&file)
        .ok()
        .as_deref()
        .and_then(first_line_pid)
    else {
        return Ok(());
    };
    // A descriptor of the process, so that the number cannot come to mean another one in between.
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(Errno::SRCH) => return Ok(()),
        Err(error) => return Err(Error::io("look at the process of", file)(error.into())),
    };
    if !is_server_of(pid, data) {
        return disown(&file);
    }
    tracing::warn!(
        pid = pid.as_raw_nonzero().get(),
        "stopping a PostgreSQL left over from an earlier run"
    );
    // A thread may sleep in `poll`; a rare second or two is not worth a reactor's registration.
    match tokio::task::spawn_blocking(move || end(&process)).await {
        Ok(true) => Ok(()),
        _ => Err(Error::LeftOver {
            pid: pid.as_raw_nonzero().get(),
        }),
    }
}

/// Ends a process by signals from polite to final; says whether it is gone.
fn end(process: &OwnedFd) -> bool {
    PATIENCE.into_iter().any(
        |(signal, patience)| match pidfd_send_signal(process, signal) {
            Err(Errno::SRCH) => true,
            Err(_) => false,
            Ok(()) => ended(process, patience),
        },
    )
}

/// A process's descriptor becomes readable when the process ends.
fn ended(process: &OwnedFd, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: left.as_secs().cast_signed(),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&left)) {
            Ok(count) => return count > 0,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

fn first_line_pid(text: &str) -> Option<Pid> {
    Pid::from_raw(
        text.lines()
            .next()?
            .trim()
            .parse::<i32>()
            .ok()
            .filter(|pid| *pid > 0)?,
    )
}

/// Whether a process is a server of this very directory: it works inside it, or was told it. The second
/// is for containers, where looking at another user's process is forbidden but its arguments are open.
fn is_server_of(pid: Pid, data: &Path) -> bool {
    let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    let Ok(arguments) = std::fs::read(process.join("cmdline")) else {
        return false;
    };
    let mut arguments = arguments.split(|byte| *byte == 0);
    let program = arguments.next().unwrap_or_default();
    let named = Path::new(std::ffi::OsStr::from_bytes(program)).file_name();
    if !named.is_some_and(|name| name == "postgres" || name == "postmaster") {
        return false;
    }
    let same = |path: &Path| {
        let identity = |path: &Path| {
            std::fs::metadata(path)
                .map(|metadata| (metadata.dev(), metadata.ino()))
                .ok()
        };
        identity(path).is_some_and(|there| Some(there) == identity(data))
    };
    same(&process.join("cwd"))
        || arguments.any(|word| same(Path::new(std::ffi::OsStr::from_bytes(word))))
}

/// The number in the file belongs to something else by now, and PostgreSQL would refuse to start. The file
/// itself must stay: its last line lets PostgreSQL find orphans that still have the shared memory open,
/// and starting beside those would destroy data. So only the number is made one that nobody has.
fn disown(file: &Path) -> Result<(), Error> {
    let text = std::fs::read_to_string(file).map_err(Error::io("read", file))?;
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    // Written in place: the file keeps its owner, and nobody else reads it now.
    std::fs::write(file, format!("{NEVER_A_PID}\n{rest}")).map_err(Error::io("write", file))
}
