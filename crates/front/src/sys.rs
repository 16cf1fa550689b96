//! The unsafe calls of this crate: giving a descriptor to the reactor, which tokio marks unsafe
//! because a foreign type could close its descriptor while it is watched; and asking the allocator to
//! give memory back, which is C.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches a descriptor that does not block, on the current thread's runtime.
pub(crate) fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd stays the same open descriptor until it is dropped, which AsyncFd does only
    // after it has taken it off the reactor, and nothing here calls `get_mut`.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

/// Gives pages that hold nothing any more back to the system. glibc does so by itself only at the end of
/// its heap, where after ten thousand connections something always is. Takes milliseconds.
pub(crate) fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes the allocator's own locks and touches no memory that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
