//! A connection to an upstream, over TCP, TLS or a Unix socket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::upstream::{Address, Upstream};

/// Bytes asked for in one read.
pub(super) const READ: usize = 16 * 1024;

/// The socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// A connection, with what has arrived on it and was not used yet.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) input: BytesMut,
    /// It has served a request before, and was last used then.
    pub(crate) idle_since: Option<Instant>,
}

impl Connection {
    /// Opens one. Names are looked up each time: an upstream may move.
    pub(crate) async fn open(upstream: &Upstream) -> io::Result<Self> {
        let stream = match &upstream.address {
            Address::Tcp { host, port } => Stream::Tcp(tcp(host, *port).await?),
            Address::Tls { host, port, tls } => {
                let secured = tls.secure(tcp(host, *port).await?).await?;
                Stream::Tls(Box::new(secured))
            }
            Address::Unix(path) => Stream::Unix(UnixStream::connect(path).await?),
        };
        Ok(Self {
            stream,
            input: BytesMut::new(),
            idle_since: None,
        })
    }

    /// Reads once; 0 at the end. Safe to drop.
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        self.input.reserve(READ);
        self.stream.read_buf(&mut self.input).await
    }

    /// Whether nothing has come since its last answer, not even the end: what comes unasked
    /// belongs to no request.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut byte = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        self.input.is_empty()
            && Pin::new(&mut self.stream)
                .poll_read(&mut context, &mut byte)
                .is_pending()
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    // Fails on a connection that is gone already, which the first write will tell.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

macro_rules! each {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream.get_mut() {
            Stream::Tcp($inner) => $call,
            Stream::Tls($inner) => $call,
            Stream::Unix($inner) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, inner => Pin::new(inner).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each!(self, inner => Pin::new(inner).poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, inner => Pin::new(inner).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, inner => Pin::new(inner).poll_shutdown(context))
    }
}
