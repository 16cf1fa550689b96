//! The socket between the two processes: messages that are kept apart (SOCK_SEQPACKET), descriptors beside them. What
//! is too long for one message travels in a memfd.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, sendmsg,
    socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Bytes of a message; the kernel takes some 200 kB.
const SHORT: usize = 60_000;
/// Longer than any site's description, pages for errors and certificates of a thousand sites included.
const LONGEST: u64 = 256 << 20;
/// The kernel takes 253 with a message (SCM_MAX_FD).
const DESCRIPTORS: usize = 250;

/// The first byte of a message.
const INLINE: u8 = 0;
const IN_FILE: u8 = 1;

/// One end.
#[derive(Debug)]
pub(crate) struct Socket(AsyncFd<OwnedFd>);

impl Socket {
    /// Two ends: ours, and one for another process.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let kind = SocketType::SEQPACKET;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
        Ok((Self::of(ours)?, theirs))
    }

    /// An end that we were given.
    pub(crate) fn of(fd: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        Ok(Self(crate::sys::pollable(fd, interest)?))
    }

    /// Sends a message with its descriptors, at most [`DESCRIPTORS`].
    pub(crate) async fn send(&self, message: &impl Serialize, files: &[OwnedFd]) -> io::Result<()> {
        let mut bytes = vec![INLINE];
        postcard::to_io(message, &mut bytes).map_err(io::Error::other)?;
        let mut all: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
        let long;
        if bytes.len() > SHORT {
            long = in_file(&bytes[1..])?;
            all.push(long.as_fd());
            bytes = vec![IN_FILE];
        }
        if all.len() > DESCRIPTORS {
            return Err(io::Error::other("too many descriptors for one message"));
        }
        loop {
            let mut ready = self.0.writable().await?;
            match send(self.0.get_ref(), &bytes, &all) {
                // The kernel counts descriptors that are under way; the other side takes them soon.
                Err(Errno::TOOMANYREFS) => tokio::task::yield_now().await,
                Err(Errno::AGAIN) => ready.clear_ready(),
                outcome => return Ok(outcome?),
            }
        }
    }

    /// Says that nothing more will be sent.
    pub(super) fn hang_up(&self) {
        // It may be gone already.
        let _ = rustix::net::shutdown(self.0.get_ref(), Shutdown::Write);
    }

    /// The next message; `None` when the other end is gone. Cancel safe.
    pub(crate) async fn receive<M: DeserializeOwned>(
        &self,
    ) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        let Some((bytes, files)) = self.next().await? else {
            return Ok(None);
        };
        parse(&bytes, files).map(Some)
    }

    /// The same of somebody who is not believed: what is longer than one message is an error, and descriptors beside it
    /// are closed.
    pub(crate) async fn receive_short<M: DeserializeOwned>(&self) -> io::Result<Option<M>> {
        let Some((bytes, _)) = self.next().await? else {
            return Ok(None);
        };
        let Some((&INLINE, text)) = bytes.split_first() else {
            return Err(io::Error::other("no short message"));
        };
        match postcard::take_from_bytes(text) {
            Ok((message, [])) => Ok(Some(message)),
            Ok(_) => Err(io::Error::other("more than a message")),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    async fn next(&self) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
        let mut bytes = vec![0; SHORT + 1];
        loop {
            let mut ready = self.0.readable().await?;
            match receive(self.0.get_ref(), &mut bytes) {
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::CONNRESET) | Ok((0, _)) => return Ok(None),
                Err(error) => return Err(error.into()),
                Ok((read, files)) => {
                    bytes.truncate(read);
                    return Ok(Some((bytes, files)));
                }
            }
        }
    }
}

/// The first message on an end that was never read from, before there is any thread.
pub(crate) fn first<M: DeserializeOwned>(socket: &OwnedFd) -> io::Result<M> {
    let mut bytes = vec![0; SHORT + 1];
    let (read, files) = receive(socket, &mut bytes)?;
    Ok(parse(&bytes[..read], files)?.0)
}

fn parse<M: DeserializeOwned>(
    bytes: &[u8],
    mut files: Vec<OwnedFd>,
) -> io::Result<(M, Vec<OwnedFd>)> {
    let message = match bytes {
        [INLINE, text @ ..] => postcard::from_bytes(text),
        [IN_FILE] => {
            let file = files.pop().ok_or_else(|| io::Error::other("no file"))?;
            let mut text = Vec::new();
            File::from(file).take(LONGEST).read_to_end(&mut text)?;
            postcard::from_bytes(&text)
        }
        _ => return Err(io::Error::other("no message")),
    };
    Ok((message.map_err(io::Error::other)?, files))
}

fn in_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create("hotclub", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

fn send(socket: &OwnedFd, bytes: &[u8], files: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(files));
    }
    let text = [IoSlice::new(bytes)];
    sendmsg(socket, &text, &mut ancillary, SendFlags::NOSIGNAL).map(|_sent| ())
}

fn receive(socket: &OwnedFd, bytes: &mut [u8]) -> Result<(usize, Vec<OwnedFd>), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut room = [IoSliceMut::new(bytes)];
    let received = recvmsg(socket, &mut room, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut files = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            files.extend(rights);
        }
    }
    Ok((received.bytes, files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn short_and_long_messages_arrive_whole_and_with_their_descriptors() {
        let (ours, theirs) = Socket::pair().unwrap();
        let theirs = Socket::of(theirs).unwrap();
        for length in [0, 10, SHORT - 10, SHORT + 10, 1 << 20] {
            let text = "x".repeat(length);
            let (read, write) = io::pipe().unwrap();
            ours.send(&text, &[write.into()]).await.unwrap();
            let (got, mut files) = theirs.receive::<String>().await.unwrap().unwrap();
            assert_eq!((got.len(), files.len()), (length, 1));
            let mut write = File::from(files.pop().unwrap());
            write.write_all(b"!").unwrap();
            drop(write);
            assert_eq!(io::read_to_string(read).unwrap(), "!");
        }
        drop(ours);
        assert!(theirs.receive::<String>().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn who_is_not_believed_says_nothing_long_and_hands_over_nothing() {
        let (ours, theirs) = Socket::pair().unwrap();
        let theirs = Socket::of(theirs).unwrap();
        let (read, write) = io::pipe().unwrap();
        theirs.send(&"short", &[write.into()]).await.unwrap();
        let got = ours.receive_short::<String>().await.unwrap();
        assert_eq!(got.as_deref(), Some("short"));
        // It was closed.
        assert_eq!(io::read_to_string(read).unwrap(), "");
        theirs.send(&"x".repeat(SHORT + 1), &[]).await.unwrap();
        assert!(ours.receive_short::<String>().await.is_err());
        let end = theirs.0.get_ref();
        for odd in [&[INLINE, 9, b'x'][..], &[9], &[INLINE; SHORT + 9]] {
            rustix::net::send(end, odd, SendFlags::empty()).unwrap();
            assert!(ours.receive_short::<String>().await.is_err());
        }
    }

    #[tokio::test]
    async fn what_is_no_message_is_an_error() {
        let (ours, theirs) = Socket::pair().unwrap();
        rustix::net::send(&theirs, &[INLINE, 0xff, 0xff], SendFlags::empty()).unwrap();
        assert!(ours.receive::<String>().await.is_err());
        rustix::net::send(&theirs, &[IN_FILE], SendFlags::empty()).unwrap();
        assert!(ours.receive::<String>().await.is_err());
    }
}
