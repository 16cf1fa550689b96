//! Reads the body of a request from its DATA frames: completely, before an app is asked; or not at all.
//! The windows are opened again as the bytes are taken. Trailers are not passed on.

use ::h2::RecvStream;
use bytes::Bytes;

use crate::h2::request::Message;
use crate::request::RequestBody;
use crate::socket::Pace;
use crate::spool::{BodyError, Spool};
use crate::thread::Thread;

/// The stream, as far as reading a body goes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) thread: &'a Thread,
    pub(crate) stream: RecvStream,
    /// Bytes that a body may have.
    pub(crate) limit: u64,
}

/// How far a body has come that is handed on in parts.
#[derive(Debug)]
pub(crate) struct Arrival {
    pace: Pace,
    received: u64,
}

impl Arrival {
    pub(crate) fn new(thread: &Thread) -> Self {
        Self {
            pace: Pace::new(thread.limits()),
            received: 0,
        }
    }
}

impl Reader<'_> {
    /// Some more of the body; `None` behind its end.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub(crate) async fn part(&mut self, arrival: &mut Arrival) -> Result<Option<Bytes>, BodyError> {
        let limit = self.limit;
        let part = self.next(&mut arrival.pace).await?;
        arrival.received += part.as_ref().map_or(0, |part| part.len() as u64);
        match arrival.received > limit {
            true => Err(BodyError::TooLarge { limit }),
            false => Ok(part),
        }
    }

    /// Whether nothing more comes.
    pub(crate) fn has_ended(&self) -> bool {
        self.stream.is_end_stream()
    }

    /// Whether there is a body, or one was announced.
    pub(crate) fn has_body(&self, message: &Message) -> bool {
        message.length.is_some() || !self.stream.is_end_stream()
    }

    /// Whether nothing of the body is here, so that the client may be waiting to be asked for it.
    pub(crate) fn is_awaited(&mut self) -> bool {
        !self.stream.is_end_stream() && self.stream.flow_control().used_capacity() == 0
    }

    /// The whole body.
    ///
    /// # Errors
    /// See [`BodyError`].
    pub(crate) async fn receive(&mut self, message: &Message) -> Result<RequestBody, BodyError> {
        if !self.has_body(message) {
            return Ok(RequestBody::None);
        }
        let limits = self.thread.limits();
        let limit = self.limit;
        if message.length.is_some_and(|length| length > limit) {
            return Err(BodyError::TooLarge { limit });
        }
        let mut spool = Spool::new(self.thread.buffers(), limits.inline_body_bytes);
        let mut pace = Pace::new(limits);
        while let Some(data) = self.next(&mut pace).await? {
            if spool.len() + data.len() as u64 > limit {
                return Err(BodyError::TooLarge { limit });
            }
            spool.push(&data)?;
        }
        Ok(spool.finish())
    }

    /// Reads and forgets a body that nobody wants, when that is cheap. `false`: some of it is left.
    pub(crate) async fn discard(&mut self, message: &Message) -> bool {
        let most = self.thread.limits().discard_bytes;
        if message.expects || message.length.is_some_and(|length| length > most) {
            return !self.has_body(message);
        }
        let mut pace = Pace::new(self.thread.limits());
        let mut thrown = 0;
        while thrown <= most {
            match self.next(&mut pace).await {
                Ok(Some(data)) => thrown += data.len() as u64,
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        false
    }

    /// The next bytes; `None` behind the last, be it data or trailers.
    async fn next(&mut self, pace: &mut Pace) -> Result<Option<Bytes>, BodyError> {
        let data = pace
            .within(self.stream.data())
            .await
            .ok_or(BodyError::Slow)?;
        let Some(data) = data.transpose().map_err(|_| BodyError::Left)? else {
            return Ok(None);
        };
        pace.moved += data.len() as u64;
        // Fails only when more is given back than came.
        let _ = self.stream.flow_control().release_capacity(data.len());
        Ok(Some(data))
    }
}
