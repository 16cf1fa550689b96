//! Reads the body of a request: completely, before an app is asked; or not at all.

use bytes::Bytes;

use crate::h1::chunked::{Decoder, Found};
use crate::h1::head::{Framing, Message};
use crate::h1::input::Input;
use crate::request::RequestBody;
use crate::socket::{Pace, Socket};
use crate::spool::{BodyError, Spool};
use crate::thread::Thread;

/// Bytes asked for in one read of a body that comes fast.
const READ: usize = 64 * 1024;
/// Bytes asked for before that is known.
const FIRST_READ: usize = 8 * 1024;

/// The connection, as far as reading a body goes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) thread: &'a Thread,
    pub(crate) socket: &'a Socket,
    pub(crate) input: &'a mut Input,
    /// The last read was full.
    pub(crate) plenty: bool,
    /// Bytes that a body may have.
    pub(crate) limit: u64,
}

/// How far a body has come that is handed on in parts.
#[derive(Debug)]
pub(crate) struct Arrival {
    left: Left,
    received: u64,
    pace: Pace,
    /// The client is still to be told that it may begin.
    expects: bool,
}

#[derive(Debug)]
enum Left {
    Length(u64),
    Chunks(Decoder),
}

impl Arrival {
    pub(crate) fn new(message: &Message, thread: &Thread) -> Self {
        Self {
            left: match message.framing {
                Framing::None => Left::Length(0),
                Framing::Length(length) => Left::Length(length),
                Framing::Chunked => Left::Chunks(Decoder::new()),
            },
            received: 0,
            pace: Pace::new(thread.limits()),
            expects: message.expects,
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        match &self.left {
            Left::Length(left) => *left == 0,
            Left::Chunks(decoder) => decoder.has_ended(),
        }
    }

    /// Takes what belongs to the body from the front of `input`: how many bytes were used, and which of
    /// them are the body's.
    fn take<'i>(&mut self, input: &'i [u8]) -> Result<(usize, &'i [u8]), BodyError> {
        match &mut self.left {
            Left::Length(left) => {
                let len = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= len as u64;
                Ok((len, &input[..len]))
            }
            Left::Chunks(decoder) => Ok(match decoder.next(input)? {
                (used, Found::Data(data)) => (used, data),
                (used, Found::Nothing | Found::End) => (used, b""),
            }),
        }
    }
}

impl Reader<'_> {
    /// Some more of the body; `None` behind its end.
    ///
    /// # Errors
    /// See [`BodyError`]; the connection cannot be kept then.
    pub(crate) async fn part(&mut self, arrival: &mut Arrival) -> Result<Option<Bytes>, BodyError> {
        let limit = self.limit;
        while !arrival.has_ended() {
            if self.input.is_empty() {
                if std::mem::take(&mut arrival.expects) {
                    self.invite().await?;
                }
                self.more(&mut arrival.pace).await?;
            }
            let (used, data) = arrival.take(self.input.bytes())?;
            let part = Bytes::copy_from_slice(data);
            self.input.consume(used);
            arrival.received += part.len() as u64;
            if arrival.received > limit {
                return Err(BodyError::TooLarge { limit });
            }
            if !part.is_empty() {
                return Ok(Some(part));
            }
        }
        Ok(None)
    }

    /// The whole body. `100 Continue` is sent only once it is known to be wanted and allowed.
    ///
    /// # Errors
    /// See [`BodyError`]; the connection cannot be kept then.
    pub(crate) async fn receive(&mut self, message: &Message) -> Result<RequestBody, BodyError> {
        let limit = self.limit;
        match message.framing {
            Framing::None => return Ok(RequestBody::None),
            Framing::Length(length) if length > limit => {
                return Err(BodyError::TooLarge { limit });
            }
            Framing::Length(length) => {
                if let Some(body) = self.already_here(length) {
                    return Ok(body);
                }
            }
            Framing::Chunked => {}
        }
        if message.expects && self.input.is_empty() {
            self.invite().await?;
        }
        match message.framing {
            Framing::None => Ok(RequestBody::None),
            Framing::Length(length) => self.receive_length(length).await,
            Framing::Chunked => self.receive_chunks(limit).await,
        }
    }

    /// Reads and forgets a body that nobody wants, when that is cheap. `false`: some of it is left.
    pub(crate) async fn discard(&mut self, message: &Message) -> bool {
        let most = self.thread.limits().discard_bytes;
        match message.framing {
            Framing::None => true,
            _ if message.expects => false,
            Framing::Length(length) if length > most => false,
            Framing::Length(length) => self.receive_length(length).await.is_ok(),
            Framing::Chunked => self.receive_chunks(most).await.is_ok(),
        }
    }

    /// The usual small body came with its head.
    fn already_here(&mut self, length: u64) -> Option<RequestBody> {
        let length = usize::try_from(length).ok()?;
        if length > self.thread.limits().inline_body_bytes {
            return None;
        }
        let body = Bytes::copy_from_slice(self.input.bytes().get(..length)?);
        self.input.consume(length);
        Some(RequestBody::Memory {
            bytes: body,
            _share: None,
        })
    }

    async fn invite(&mut self) -> Result<(), BodyError> {
        let mut pace = Pace::new(self.thread.limits());
        self.socket
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n", b"", &mut pace)
            .await
            .map_err(|_| BodyError::Left)
    }

    async fn receive_length(&mut self, length: u64) -> Result<RequestBody, BodyError> {
        let thread = self.thread;
        let in_memory = thread.limits().inline_body_bytes;
        let mut spool = Spool::new(thread.buffers(), in_memory);
        let mut pace = Pace::new(thread.limits());
        loop {
            let missing = usize::try_from(length - spool.len()).unwrap_or(usize::MAX);
            let here = self.input.bytes().len().min(missing);
            spool.push(&self.input.bytes()[..here])?;
            self.input.consume(here);
            if spool.len() == length {
                return Ok(spool.finish());
            }
            self.more(&mut pace).await?;
        }
    }

    async fn receive_chunks(&mut self, limit: u64) -> Result<RequestBody, BodyError> {
        let thread = self.thread;
        let in_memory = thread.limits().inline_body_bytes;
        let mut spool = Spool::new(thread.buffers(), in_memory);
        let mut pace = Pace::new(thread.limits());
        let mut decoder = Decoder::new();
        loop {
            let (used, found) = decoder.next(self.input.bytes())?;
            match found {
                Found::Data(data) if spool.len() + data.len() as u64 > limit => {
                    return Err(BodyError::TooLarge { limit });
                }
                Found::Data(data) => spool.push(data)?,
                Found::Nothing => {}
                Found::End => {
                    self.input.consume(used);
                    return Ok(spool.finish());
                }
            }
            let all_used = matches!(found, Found::Nothing);
            self.input.consume(used);
            if all_used {
                self.more(&mut pace).await?;
            }
        }
    }

    /// Reads on, in large steps once a read was full.
    async fn more(&mut self, pace: &mut Pace) -> Result<(), BodyError> {
        let room = if self.plenty { READ } else { FIRST_READ };
        let fill = self.input.fill(self.thread, self.socket, room);
        let count = pace.keep(self.socket, fill).await;
        if self.socket.expired() {
            return Err(BodyError::Slow);
        }
        match count {
            Ok(count @ 1..) => {
                self.plenty = count >= FIRST_READ;
                Ok(())
            }
            Ok(0) | Err(_) => Err(BodyError::Left),
        }
    }
}
