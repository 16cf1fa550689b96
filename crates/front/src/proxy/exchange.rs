//! One request and its answer's head over one connection, both directions at once: an upstream that
//! refuses an upload says so before it has read it.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::connect::Connection;
use super::error::{Cause, Phase};
use super::request_head::Framing;
use super::response_head::{self, ResponseHead};
use super::upload::{Upload, UploadError};
use crate::spool::BodyError;

/// A request up to this size is written at once: the kernel takes it whole, and nobody need watch
/// for an answer meanwhile.
const AT_ONCE: usize = 16 * 1024;
/// 100, 102 and 103, before the answer itself.
const INTERIM_MAX: usize = 16;
/// An upstream that closed on us may have said why; what it said is there already.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The times of an exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) send: Duration,
    pub(crate) response: Duration,
}

/// Why there is no head.
#[derive(Debug)]
pub(crate) enum Failure {
    Upstream {
        phase: Phase,
        cause: Cause,
        /// A byte of an answer had come.
        began: bool,
    },
    /// The client's body did not come to its end.
    Client(BodyError),
    /// Our own copy of the body cannot be read.
    Spool(io::Error),
}

/// The head, and whether all of the request went out before it.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) head: ResponseHead,
    pub(crate) whole: bool,
}

/// Sends `head` and `upload`, and reads the head of the answer.
pub(crate) async fn run(
    connection: &mut Connection,
    head: &[u8],
    upload: &mut Upload<'_>,
    patience: Patience,
    to_head: bool,
) -> Result<Begun, Failure> {
    let Connection { stream, input, .. } = connection;
    let outcome = match upload.at_hand(AT_ONCE) {
        Some(body) => once(stream, (head, &body), input, patience, to_head).await,
        None => both(stream, (head, upload), input, patience, to_head).await,
    };
    match outcome {
        Err(Failure::Upstream {
            phase,
            cause,
            began,
        }) => Err(Failure::Upstream {
            phase,
            cause,
            began: began || !input.is_empty(),
        }),
        other => other,
    }
}

/// A short request.
async fn once<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    (head, body): (&[u8], &[u8]),
    input: &mut BytesMut,
    patience: Patience,
    to_head: bool,
) -> Result<Begun, Failure> {
    let sent = async {
        write(stream, head, patience.send).await?;
        write(stream, body, patience.send).await?;
        flush(stream, patience.send).await
    };
    let sent = sent.await;
    let head = read_head(stream, input, to_head);
    match sent {
        Ok(()) => {
            let head = wait(patience.response, head).await?;
            Ok(Begun { head, whole: true })
        }
        Err(cause) => last_words(head, cause).await,
    }
}

/// A long one: the answer may come first.
async fn both<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    (head, upload): (&[u8], &mut Upload<'_>),
    input: &mut BytesMut,
    patience: Patience,
    to_head: bool,
) -> Result<Begun, Failure> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut reading = pin!(read_head(&mut reader, input, to_head));
    let early = {
        let mut sending = pin!(send(&mut writer, head, upload, patience.send));
        let early = tokio::select! {
            biased;
            sent = &mut sending => match sent {
                Ok(()) => None,
                Err(SendError::Ours(failure)) => return Err(failure),
                Err(SendError::Upstream(cause)) => return last_words(reading, cause).await,
            },
            head = &mut reading => Some(head?),
        };
        match early {
            None => None,
            // It has made up its mind: the rest of the body would be thrown away.
            Some(head) if head.status >= 300 => return Ok(Begun { head, whole: false }),
            // It answers while it reads: it wants the rest.
            Some(head) => match sending.await {
                Ok(()) => Some(head),
                Err(SendError::Ours(failure)) => return Err(failure),
                Err(SendError::Upstream(_)) => return Ok(Begun { head, whole: false }),
            },
        }
    };
    let head = match early {
        Some(head) => head,
        None => tokio::select! {
            biased;
            head = wait(patience.response, reading) => head?,
            () = upload.left() => return Err(Failure::Client(BodyError::Left)),
        },
    };
    Ok(Begun { head, whole: true })
}

enum SendError {
    Upstream(Cause),
    Ours(Failure),
}

impl From<Cause> for SendError {
    fn from(cause: Cause) -> Self {
        Self::Upstream(cause)
    }
}

impl From<UploadError> for SendError {
    fn from(error: UploadError) -> Self {
        Self::Ours(match error {
            UploadError::Client(error) => Failure::Client(error),
            UploadError::Spool(error) => Failure::Spool(error),
        })
    }
}

async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    head: &[u8],
    upload: &mut Upload<'_>,
    patience: Duration,
) -> Result<(), SendError> {
    write(stream, head, patience).await?;
    let is_chunked = upload.framing() == Framing::Chunked;
    let mut at = 0;
    while let Some(part) = upload.part(at).await? {
        at += part.len() as u64;
        if is_chunked && !part.is_empty() {
            write(stream, format!("{:x}\r\n", part.len()).as_bytes(), patience).await?;
            write(stream, &part, patience).await?;
            write(stream, b"\r\n", patience).await?;
        } else {
            write(stream, &part, patience).await?;
        }
        if !upload.is_kept() {
            flush(stream, patience).await?;
        }
    }
    if is_chunked {
        write(stream, b"0\r\n\r\n", patience).await?;
    }
    Ok(flush(stream, patience).await?)
}

/// Writes all; each step may take `patience`.
async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
    patience: Duration,
) -> Result<(), Cause> {
    while !bytes.is_empty() {
        let count = within(patience, stream.write(bytes)).await?;
        if count == 0 {
            return Err(Cause::Ended);
        }
        bytes.advance(count);
    }
    Ok(())
}

async fn flush(stream: &mut (impl AsyncWrite + Unpin), patience: Duration) -> Result<(), Cause> {
    within(patience, stream.flush()).await
}

async fn within<T>(
    patience: Duration,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Cause> {
    match tokio::time::timeout(patience, work).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Cause::Timeout(patience)),
    }
}

async fn wait(
    patience: Duration,
    head: impl Future<Output = Result<ResponseHead, Failure>>,
) -> Result<ResponseHead, Failure> {
    let late = |_| {
        Err(Failure::Upstream {
            phase: Phase::Waiting,
            cause: Cause::Timeout(patience),
            began: false,
        })
    };
    tokio::time::timeout(patience, head)
        .await
        .unwrap_or_else(late)
}

/// The request could not be sent; there may be an answer that says why.
async fn last_words(
    head: impl Future<Output = Result<ResponseHead, Failure>>,
    cause: Cause,
) -> Result<Begun, Failure> {
    match tokio::time::timeout(LAST_WORDS, head).await {
        Ok(Ok(head)) if head.status >= 300 => Ok(Begun { head, whole: false }),
        _ => Err(Failure::Upstream {
            phase: Phase::Sending,
            cause,
            began: false,
        }),
    }
}

/// Reads the final head; interim ones are dropped, for nobody here waits for them: a client's
/// `100 Continue` was ours, and hints (103) go only to those who asked, which nobody can.
async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    input: &mut BytesMut,
    to_head: bool,
) -> Result<ResponseHead, Failure> {
    let mut began = false;
    for _ in 0..=INTERIM_MAX {
        let bytes = read_one(stream, input)
            .await
            .map_err(|(cause, phase)| Failure::Upstream {
                phase,
                cause,
                began,
            })?;
        began = true;
        let head = response_head::parse(&bytes, to_head).map_err(malformed)?;
        if head.status >= 200 || head.status == 101 {
            return Ok(head);
        }
    }
    Err(malformed(Cause::Malformed("too many interim answers")))
}

fn malformed(cause: Cause) -> Failure {
    Failure::Upstream {
        phase: Phase::Reading,
        cause,
        began: true,
    }
}

/// The bytes of one head.
async fn read_one(
    stream: &mut (impl AsyncRead + Unpin),
    input: &mut BytesMut,
) -> Result<BytesMut, (Cause, Phase)> {
    let mut scanned = 0;
    loop {
        let end = response_head::end(input, &mut scanned);
        if let Some(end) = end.map_err(|cause| (cause, Phase::Reading))? {
            return Ok(input.split_to(end));
        }
        let phase = match input.is_empty() {
            true => Phase::Waiting,
            false => Phase::Reading,
        };
        input.reserve(super::connect::READ);
        match stream.read_buf(input).await {
            Ok(0) => return Err((Cause::Ended, phase)),
            Ok(_) => {}
            Err(error) => return Err((error.into(), phase)),
        }
    }
}
