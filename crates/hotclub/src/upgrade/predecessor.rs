//! The new program's side.

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg, sockopt::socket_acceptconn,
};

use super::{LETTER_MAX, Letter, PATIENCE, READY, VARIABLE, VERSION};
use crate::console::Failure;

/// The program that we are to replace.
#[derive(Debug)]
pub(crate) struct Predecessor(UnixStream);

/// What it leaves us.
#[derive(Debug)]
pub(crate) struct Heirloom {
    pub(crate) listeners: Vec<OwnedFd>,
    pub(crate) metrics: Option<OwnedFd>,
    pub(crate) workers: usize,
    pub(crate) keep_paths: bool,
}

impl Predecessor {
    /// To be called at the very start of `main`: takes the variable and the standard input.
    pub(crate) fn find() -> Result<Option<Self>, Failure> {
        let Some(version) = crate::sys::take_variable(VARIABLE) else {
            return Ok(None);
        };
        if version != VERSION {
            return Err(Failure::new(format!(
                "the running program hands over by version {} of the protocol, this one takes over by {VERSION}",
                version.display()
            ))
            .hint("stop the old program and start this one"));
        }
        let stdin = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(Some(Self(UnixStream::from(stdin))))
    }

    /// The sockets and what goes with them.
    pub(crate) fn heirloom(&self) -> Result<Heirloom, Failure> {
        self.receive()
            .map_err(|error| Failure::new(format!("nothing comes from the old program: {error}")))
    }

    fn receive(&self) -> std::io::Result<Heirloom> {
        let mut bytes = [0; LETTER_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(250))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            &self.0,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let letter: Letter = serde_json::from_slice(&bytes[..received.bytes])?;
        let sockets: Vec<OwnedFd> = control
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
                _ => None,
            })
            .flatten()
            .collect();
        let all_listen = sockets
            .iter()
            .all(|socket| socket_acceptconn(socket).unwrap_or(false));
        let expected = letter.listeners + usize::from(letter.metrics);
        if !all_listen || sockets.len() != expected {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        let mut listeners = sockets;
        let metrics = listeners.split_off(letter.listeners).pop();
        Ok(Heirloom {
            listeners,
            metrics,
            workers: letter.workers,
            keep_paths: letter.keep_paths,
        })
    }

    /// Says why we will not serve.
    pub(crate) fn decline(mut self, failure: &Failure) {
        // It may have given us up already.
        if let Ok(text) = serde_json::to_vec(failure) {
            let _ = self.0.write_all(&text);
        }
    }

    /// Says that we serve, and returns when the old program has handed over, or is gone.
    pub(crate) async fn take_over(mut self) {
        let handed_over = tokio::task::spawn_blocking(move || {
            // It does so at once; after this long it is stuck, and we serve.
            self.0.set_read_timeout(Some(PATIENCE))?;
            self.0.write_all(READY)?;
            self.0.read(&mut [0; 1])
        });
        match handed_over.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the old program does not hand over"),
            Err(error) => tracing::warn!(%error, "the old program does not hand over"),
        }
    }
}
