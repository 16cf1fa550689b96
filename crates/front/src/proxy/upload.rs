//! A request's body on its way to an upstream: complete, or still arriving.

use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;

use bytes::Bytes;

use super::request_head::Framing;
use crate::exchange::Client;
use crate::request::RequestBody;
use crate::spool::BodyError;

/// Bytes read from a spooled body at a time.
const PIECE: usize = 64 * 1024;

/// A future of one thread's.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The client, as far as its body goes.
pub(crate) trait Arriving {
    fn framing(&self) -> Framing;
    /// The next bytes; `None` behind the last.
    fn part(&mut self) -> Boxed<'_, Result<Option<Bytes>, BodyError>>;
    /// Returns when the client no longer waits for its answer.
    fn left(&mut self) -> Boxed<'_, ()>;
}

impl<C: Client> Arriving for C {
    fn framing(&self) -> Framing {
        match self.announced() {
            None => Framing::None,
            Some(Some(length)) => Framing::Length(length),
            Some(None) => Framing::Chunked,
        }
    }

    fn part(&mut self) -> Boxed<'_, Result<Option<Bytes>, BodyError>> {
        Box::pin(self.next_part())
    }

    fn left(&mut self) -> Boxed<'_, ()> {
        Box::pin(Client::left(self))
    }
}

/// What follows a request's head.
pub(crate) enum Upload<'a> {
    Whole(&'a RequestBody),
    /// Can be sent once only.
    Arriving(&'a mut dyn Arriving),
}

/// Why no more of it can be had.
#[derive(Debug)]
pub(crate) enum UploadError {
    Client(BodyError),
    /// Our own copy cannot be read.
    Spool(io::Error),
}

impl Upload<'_> {
    pub(crate) fn framing(&self) -> Framing {
        match self {
            Self::Whole(body) => body.len().map_or(Framing::None, Framing::Length),
            Self::Arriving(client) => client.framing(),
        }
    }

    /// All of it, when it is in memory and no longer than `most`.
    pub(crate) fn at_hand(&self, most: usize) -> Option<Bytes> {
        match self {
            Self::Whole(RequestBody::None) => Some(Bytes::new()),
            Self::Whole(RequestBody::Memory { bytes, .. }) if bytes.len() <= most => {
                Some(bytes.clone())
            }
            Self::Whole(_) | Self::Arriving(_) => None,
        }
    }

    /// Whether it is still there after it was sent.
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self, Self::Whole(_))
    }

    /// The bytes from `at` on, some of them; `None` behind the last.
    pub(crate) async fn part(&mut self, at: u64) -> Result<Option<Bytes>, UploadError> {
        match self {
            Self::Arriving(client) => client.part().await.map_err(UploadError::Client),
            Self::Whole(body) => whole_part(body, at).map_err(UploadError::Spool),
        }
    }

    /// Returns when a client whose body arrived no longer waits; whoever handed over a whole one watches
    /// for that itself.
    pub(crate) async fn left(&mut self) {
        match self {
            Self::Arriving(client) => client.left().await,
            Self::Whole(_) => std::future::pending().await,
        }
    }
}

fn whole_part(body: &RequestBody, at: u64) -> io::Result<Option<Bytes>> {
    match body {
        RequestBody::Memory { bytes, .. } if at == 0 && !bytes.is_empty() => {
            Ok(Some(bytes.clone()))
        }
        RequestBody::File(file) if at < file.len() => {
            let left = usize::try_from(file.len() - at).unwrap_or(PIECE);
            let mut piece = vec![0; PIECE.min(left)];
            file.file().read_exact_at(&mut piece, at)?;
            Ok(Some(piece.into()))
        }
        _ => Ok(None),
    }
}
