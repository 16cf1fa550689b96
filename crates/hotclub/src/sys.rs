//! The unsafe calls of the program: what it was handed by its parent can only be named by numbers and
//! by variables of the environment; and descriptors given to the reactor.
#![allow(unsafe_code)]

use std::ffi::{OsStr, OsString};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Takes a variable out of the environment, so that no child gets it.
///
/// To be called at the very start of `main`, before any thread exists.
pub(crate) fn take_variable(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name)?;
    // SAFETY: no other thread runs yet, as the contract above demands; so nobody reads the environment.
    unsafe { std::env::remove_var(name) };
    Some(value)
}

/// Sets a variable, for us and all children.
///
/// To be called at the very start of `main`, before any thread exists.
pub(crate) fn set_variable(name: &str, value: &OsStr) {
    // SAFETY: no other thread runs yet, as the contract above demands; so nobody reads the environment.
    unsafe { std::env::set_var(name, value) };
}

/// Owns `number` from here on if it is an open descriptor. To be called once for each.
pub(crate) fn adopt(number: RawFd) -> Option<OwnedFd> {
    if !std::path::Path::new(&format!("/proc/self/fd/{number}")).exists() {
        return None;
    }
    // SAFETY: it is open, and by the protocol of whoever started us (sd_listen_fds(3)) it is ours alone.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC).ok()?;
    Some(fd)
}

/// Keeps to ourselves every descriptor that whoever started us left open: a shell's log or a lock is nothing
/// that an app, a PostgreSQL or an installer may hold.
///
/// To be called at the very start of `main`, before any thread exists.
pub(crate) fn keep_descriptors() -> std::io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.parse::<RawFd>().ok());
        let Some(number) = number.filter(|number| *number > 2) else {
            continue;
        };
        // SAFETY: it was open a moment ago, no other thread closes it, and it is used for one call.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?;
    }
    Ok(())
}

/// Registers a non-blocking descriptor with the current runtime's poller.
pub(crate) fn pollable(file: OwnedFd, interest: Interest) -> std::io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` names the same open file until it is dropped, and the `AsyncFd` owns it.
    Ok(unsafe { AsyncFd::register_with_interest(file, interest)? })
}
