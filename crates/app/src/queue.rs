//! The queue's socket: one SEQPACKET message a request, a body's descriptor beside it.

use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    sendmsg, socketpair,
};
use tokio::io::unix::AsyncFd;

/// A new queue: the front's end and the workers' end. The front's does not block; the workers' does.
///
/// # Errors
/// When the system is out of descriptors.
pub(crate) fn pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let (front, workers) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::io::ioctl_fionbio(&front, true)?;
    Ok((front, workers))
}

/// Puts one message into the queue; waits while the kernel's buffer is full.
pub(crate) async fn send(
    queue: &AsyncFd<OwnedFd>,
    bytes: &[u8],
    file: Option<&OwnedFd>,
) -> Result<(), Errno> {
    loop {
        match try_send(queue.get_ref(), bytes, file) {
            Err(Errno::AGAIN) => {}
            outcome => return outcome,
        }
        let mut ready = queue.writable().await.map_err(|_| Errno::BADF)?;
        match try_send(queue.get_ref(), bytes, file) {
            Err(Errno::AGAIN) => ready.clear_ready(),
            outcome => return outcome,
        }
    }
}

fn try_send(queue: &OwnedFd, bytes: &[u8], file: Option<&OwnedFd>) -> Result<(), Errno> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let Some(file) = file else {
        return rustix::net::send(queue, bytes, flags).map(|_sent| ());
    };
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let files = [file.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&files));
    sendmsg(queue, &[IoSlice::new(bytes)], &mut ancillary, flags).map(|_sent| ())
}
