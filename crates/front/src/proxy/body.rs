//! The body of an upstream's answer, as it arrives.

use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use hotclub_app::{Cut, Part};

use super::connect::Connection;
use super::error::{Cause, Phase, ProxyError};
use super::pool::Pools;
use super::response_head::Framing;
use super::upstream::Lease;
use crate::h1::{Decoder, Found};
use crate::request_id::RequestId;

/// What is still to come. Its connection goes back to the pool with the last byte, and is closed when
/// this is dropped before.
#[derive(Debug)]
pub struct UpstreamBody {
    /// `None`: everything came.
    open: Option<Box<Open>>,
}

#[derive(Debug)]
struct Open {
    left: Left,
    source: Source,
}

#[derive(Debug)]
enum Left {
    Length(u64),
    Chunks(Decoder),
    UntilClose,
}

/// Where a body comes from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) connection: Connection,
    pub(crate) lease: Lease,
    pub(crate) pools: Rc<Pools>,
    /// The connection may serve another request.
    pub(crate) keep: bool,
    /// How long nothing may come.
    pub(crate) patience: Duration,
    pub(crate) id: RequestId,
}

impl UpstreamBody {
    pub(crate) fn new(framing: Framing, source: Source) -> Self {
        let left = match framing {
            Framing::None | Framing::Length(0) => {
                source.finish();
                return Self { open: None };
            }
            Framing::Length(length) => Left::Length(length),
            Framing::Chunked => Left::Chunks(Decoder::new()),
            Framing::UntilClose => Left::UntilClose,
        };
        let open = Some(Box::new(Open { left, source }));
        Self { open }
    }

    /// 0 when nothing is to come; else `None`: a length that was announced is in the head.
    pub(crate) fn known_len(&self) -> Option<u64> {
        self.open.is_none().then_some(0)
    }

    /// Waits for the next part; `None` after the last. Safe to drop.
    pub(crate) async fn next(&mut self) -> Option<Result<Part, Cut>> {
        let open = self.open.as_mut()?;
        let found = open.next().await;
        match found {
            Ok(Next::Part(bytes)) => Some(Ok(Part::Bytes(bytes))),
            Ok(Next::Last(bytes)) => {
                self.finish();
                Some(Ok(Part::Bytes(bytes)))
            }
            Ok(Next::End) => {
                self.finish();
                None
            }
            Err(cause) => {
                self.complain(cause);
                Some(Err(Cut))
            }
        }
    }

    fn finish(&mut self) {
        if let Some(open) = self.open.take() {
            open.source.finish();
        }
    }

    fn complain(&mut self, cause: Cause) {
        if let Some(open) = self.open.take() {
            let error = ProxyError::Upstream {
                upstream: open.source.lease.upstream().name.clone(),
                phase: Phase::Reading,
                cause,
            };
            let id = open.source.id.as_str();
            tracing::error!(id, "{error}: its answer is cut off");
        }
    }
}

enum Next {
    Part(Bytes),
    /// Nothing comes behind it.
    Last(Bytes),
    End,
}

impl Open {
    async fn next(&mut self) -> Result<Next, Cause> {
        loop {
            if let Some(next) = self.here()? {
                return Ok(next);
            }
            let fill = self.source.connection.fill();
            let patience = self.source.patience;
            let count = match tokio::time::timeout(patience, fill).await {
                Ok(count) => count?,
                Err(_) => return Err(Cause::Timeout(patience)),
            };
            match (count, &self.left) {
                (0, Left::UntilClose) => return Ok(Next::End),
                (0, _) => return Err(Cause::Ended),
                _ => {}
            }
        }
    }

    /// What has arrived already.
    fn here(&mut self) -> Result<Option<Next>, Cause> {
        let input = &mut self.source.connection.input;
        if input.is_empty() {
            return Ok(None);
        }
        match &mut self.left {
            Left::UntilClose => Ok(Some(Next::Part(input.split().freeze()))),
            Left::Length(left) => {
                let len = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= len as u64;
                let part = input.split_to(len).freeze();
                Ok(Some(match left {
                    0 => Next::Last(part),
                    _ => Next::Part(part),
                }))
            }
            Left::Chunks(decoder) => {
                let (used, found) = decoder.next(input)?;
                let data = match found {
                    Found::Data(data) => data.len(),
                    Found::Nothing | Found::End => 0,
                };
                let is_end = found == Found::End;
                input.advance(used - data);
                Ok(match (data, is_end) {
                    (_, true) => Some(Next::End),
                    (0, false) => None,
                    _ => Some(Next::Part(input.split_to(data).freeze())),
                })
            }
        }
    }
}

impl Source {
    /// Nothing more is read for this answer. What has come behind it belongs to no request.
    fn finish(self) {
        if self.keep && self.connection.input.is_empty() {
            self.pools.keep(self.lease.upstream(), self.connection);
        }
    }
}
