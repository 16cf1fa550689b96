//! What systemd hands us and what it wants to hear: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3).
//!
//! The variables are taken out of the environment at the start: they speak to this process, and an app,
//! a PostgreSQL or a `manage.py` that got them would answer in its place. That, and the hand-over to a
//! successor, is why this is not a crate's job: those read the environment whenever they are called.

use std::ffi::OsString;
use std::os::fd::{OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The first descriptor that is handed over (SD_LISTEN_FDS_START).
const FIRST: RawFd = 3;

/// The service manager, if there is one; every call does nothing without it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Systemd(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    notify: Option<OsString>,
    watchdog: Option<Duration>,
    /// Each as it was announced, `None` for one that is not there.
    sockets: Mutex<Vec<Option<OwnedFd>>>,
}

impl Systemd {
    /// Reads and removes the variables. To be called at the very start of `main`.
    pub(crate) fn take() -> Self {
        let [notify, usec, watched, pid, fds] = [
            "NOTIFY_SOCKET",
            "WATCHDOG_USEC",
            "WATCHDOG_PID",
            "LISTEN_PID",
            "LISTEN_FDS",
        ]
        .map(crate::sys::take_variable);
        let _names = crate::sys::take_variable("LISTEN_FDNAMES");
        let is_us = |pid: Option<OsString>| number(pid) == Some(u64::from(std::process::id()));
        let watchdog = number(usec).filter(|_| watched.is_none() || is_us(watched));
        let count = number(fds).filter(|_| is_us(pid)).unwrap_or(0);
        let numbers = (FIRST..).take(usize::try_from(count).unwrap_or(0));
        Self(Arc::new(Inner {
            notify,
            watchdog: watchdog.map(Duration::from_micros),
            sockets: Mutex::new(numbers.map(crate::sys::adopt).collect()),
        }))
    }

    /// The sockets of socket activation, once; `None` for one that was announced and is not there.
    pub(crate) fn sockets(&self) -> Vec<Option<OwnedFd>> {
        std::mem::take(
            &mut self
                .0
                .sockets
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// How often it wants to hear that we live.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.0.watchdog
    }

    /// It serves, and this is what.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}\n", one_line(status)));
    }

    /// New code is being loaded; [`Systemd::ready`] ends it.
    pub(crate) fn reloading(&self) {
        let now = hotclub_app::monotonic_now() / 1000;
        self.tell(&format!(
            "RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=reloading\n"
        ));
    }

    pub(crate) fn stopping(&self, status: &str) {
        self.tell(&format!("STOPPING=1\nSTATUS={}\n", one_line(status)));
    }

    pub(crate) fn status(&self, status: &str) {
        self.tell(&format!("STATUS={}\n", one_line(status)));
    }

    /// Another process is the service from here on.
    pub(crate) fn main_pid(&self, pid: u32) {
        self.tell(&format!("MAINPID={pid}\n"));
    }

    pub(crate) fn alive(&self) {
        self.tell("WATCHDOG=1\n");
    }

    /// Gives a successor what was given to us. The sockets go another way.
    pub(crate) fn pass_on(&self, command: &mut Command) {
        if let Some(notify) = &self.0.notify {
            command.env("NOTIFY_SOCKET", notify);
        }
        if let Some(period) = self.0.watchdog {
            command.env("WATCHDOG_USEC", period.as_micros().to_string());
        }
    }

    fn tell(&self, text: &str) {
        let Some(notify) = &self.0.notify else {
            return;
        };
        if let Err(error) = send(notify, text) {
            tracing::warn!(%error, socket = %notify.display(), "the service manager cannot be told");
        }
    }
}

fn send(notify: &OsString, text: &str) -> std::io::Result<()> {
    let address = match notify.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(notify)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not hold us up.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(text.as_bytes(), &address)?;
    Ok(())
}

fn number(text: Option<OsString>) -> Option<u64> {
    text?.to_str()?.parse().ok()
}

/// A line break would begin another assignment.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_to_a_path_and_to_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("hotclub-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        for (socket, notify) in [(by_path, path.into()), (by_name, format!("@{name}").into())] {
            let inner = Inner {
                notify: Some(notify),
                ..Inner::default()
            };
            Systemd(Arc::new(inner)).ready("two\nlines");
            let mut buffer = [0; 100];
            let count = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], b"READY=1\nSTATUS=two lines\n");
        }
    }
}
