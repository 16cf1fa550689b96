//! One connection's TLS, without its socket: what arrived goes in, what is to be sent comes out.

use std::cell::RefCell;
use std::io::{self, BufRead as _, IoSlice, Write as _};
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use rustix::io::Errno;
use rustls::ServerConnection;
use tokio::io::ReadBuf;

use super::{Protocol, Tls};

/// Bytes of plain text that are encrypted before the socket is asked: four records of full size, which one
/// `writev` takes.
pub(crate) const AHEAD: usize = 64 * 1024;

/// Memory in which the connections of a thread take turns: what was just read from a socket or a file.
#[derive(Clone, Debug)]
pub(crate) struct Bench(Rc<RefCell<Vec<u8>>>);

impl Default for Bench {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(vec![0; AHEAD])))
    }
}

/// Where decrypted bytes go.
pub(crate) trait Sink {
    /// Bytes that it still takes.
    fn room(&self) -> usize;
    /// At most so many.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn room(&self) -> usize {
        self.capacity() - self.len()
    }

    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Sink for ReadBuf<'_> {
    fn room(&self) -> usize {
        self.remaining()
    }

    fn put(&mut self, bytes: &[u8]) {
        self.put_slice(bytes);
    }
}

/// Takes nothing: while hands are shaken there is nothing to take.
#[derive(Debug)]
pub(crate) struct Nothing;

impl Sink for Nothing {
    fn room(&self) -> usize {
        0
    }

    fn put(&mut self, _: &[u8]) {}
}

/// One connection's TLS.
#[derive(Debug)]
pub(crate) struct Session {
    tls: ServerConnection,
    bench: Bench,
    /// Decrypted bytes, or the end, wait to be taken.
    pub(crate) waiting: bool,
    /// The end is said, or shall not be said.
    closed: bool,
    /// Plain bytes that were encrypted since all was last sent.
    unsent: usize,
}

impl Session {
    pub(crate) fn new(shared: &Tls, bench: &Bench) -> Result<Self, rustls::Error> {
        let mut tls = ServerConnection::new(shared.config.clone())?;
        // Bounded by whoever writes: at most `AHEAD` at once.
        tls.set_buffer_limit(None);
        Ok(Self {
            tls,
            bench: bench.clone(),
            waiting: false,
            closed: false,
            unsent: 0,
        })
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    pub(crate) fn protocol(&self) -> Protocol {
        Protocol::of(self.tls.alpn_protocol())
    }

    /// The name that the client asked for, in lower case.
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.tls.server_name()
    }

    /// Moves decrypted bytes into `sink`, which has room. `Some(0)`: the peer has said that it is done.
    pub(crate) fn take(&mut self, sink: &mut impl Sink) -> Option<usize> {
        if !self.waiting {
            return None;
        }
        let before = sink.room();
        let mut reader = self.tls.reader();
        loop {
            let here = match reader.fill_buf() {
                Ok(here) => here,
                Err(_) => {
                    self.waiting = false;
                    break;
                }
            };
            let count = here.len().min(sink.room());
            if count == 0 {
                break;
            }
            sink.put(&here[..count]);
            reader.consume(count);
        }
        let taken = before - sink.room();
        (taken > 0 || self.waiting).then_some(taken)
    }

    /// Reads from the socket once, at most `room` bytes: so much will be left of them at most when they
    /// are decrypted that one full record more waits inside.
    pub(crate) fn read(&mut self, fd: BorrowedFd<'_>, room: usize) -> Result<Arrived, Errno> {
        let bench = Rc::clone(&self.bench.0);
        let mut bench = bench.borrow_mut();
        let asked = room.min(bench.len());
        let count = rustix::io::read(fd, &mut bench[..asked])?;
        Ok(Arrived {
            bytes: count,
            all: count < asked,
        })
    }

    /// Decrypts what [`Session::read`] has read, into `sink` as far as there is room.
    pub(crate) fn decrypt(&mut self, count: usize, sink: &mut impl Sink) -> io::Result<()> {
        let bench = Rc::clone(&self.bench.0);
        let bench = bench.borrow();
        let mut arrived = &bench[..count];
        while !arrived.is_empty() {
            self.tls.read_tls(&mut arrived)?;
            let state = self
                .tls
                .process_new_packets()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if state.plaintext_bytes_to_read() > 0 || state.peer_has_closed() {
                self.waiting = true;
                self.take(sink);
            }
        }
        Ok(())
    }

    /// Encrypts from `first`, then `second`: as much as is sent at once. The count.
    pub(crate) fn encrypt(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let first = &first[..first.len().min(AHEAD)];
        let second = &second[..second.len().min(AHEAD - first.len())];
        self.encrypt_all(&[IoSlice::new(first), IoSlice::new(second)])
    }

    /// Encrypts all of `slices`. The count.
    pub(crate) fn encrypt_all(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.tls.writer().write_vectored(slices)? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            count => {
                self.unsent += count;
                Ok(count)
            }
        }
    }

    /// Plain bytes of what waits to be sent, at least.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent
    }

    /// Encrypts from `file` at `offset`, at most `most` bytes. The count, 0 behind its end.
    pub(crate) fn encrypt_file(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        most: u64,
    ) -> io::Result<usize> {
        let bench = Rc::clone(&self.bench.0);
        let mut bench = bench.borrow_mut();
        let most = usize::try_from(most).map_or(bench.len(), |most| most.min(bench.len()));
        let count = loop {
            match rustix::io::pread(file, &mut bench[..most], offset) {
                Err(Errno::INTR) => {}
                outcome => break outcome?,
            }
        };
        self.tls.writer().write(&bench[..count])
    }

    /// The peer is told that nothing more comes.
    pub(crate) fn close(&mut self) {
        if !self.closed && !self.tls.is_handshaking() {
            self.tls.send_close_notify();
        }
        self.closed = true;
    }

    /// The peer must see that something is missing: its end will not be said.
    pub(crate) fn abandon(&mut self) {
        self.closed = true;
    }

    pub(crate) fn has_more_to_send(&self) -> bool {
        self.tls.wants_write()
    }

    /// Writes to the socket once, as many records as it takes.
    pub(crate) fn send(&mut self, fd: BorrowedFd<'_>) -> Result<usize, Errno> {
        let count = self
            .tls
            .write_tls(&mut Wire(fd))
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        if !self.tls.wants_write() {
            self.unsent = 0;
        }
        Ok(count)
    }
}

/// What one read brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    /// 0: the end.
    pub(crate) bytes: usize,
    /// The kernel has no more.
    pub(crate) all: bool,
}

/// The socket as rustls writes to it.
struct Wire<'a>(BorrowedFd<'a>);

impl io::Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self.0, bytes)?)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(rustix::io::writev(self.0, slices)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
