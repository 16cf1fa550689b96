//! The life of a connection of HTTP/2: take streams, each a task of its own, until one of both sides
//! wants to end; then GOAWAY, and the streams under way are finished.

use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use ::h2::server::{Builder, SendResponse};
use ::h2::{Reason, RecvStream, server};
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::h2::census::Excess;
use crate::h2::stream::Shared;
use crate::h2::wire::Wire;
use crate::limits::{Limits, MAX_FIELDS};
use crate::request::Ends;
use crate::socket::{Phase, Socket};
use crate::thread::{LAST_CHANCE, Thread};

/// What each field counts beside its bytes (RFC 9113, 6.5.2).
const FIELD_COST: usize = 32;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Either side had no more to say.
    Agreed,
    /// The client broke the rules and was told so; it may be sending still.
    Broken,
}

/// Serves a connection to its end. `before` was read already and belongs to it.
pub(crate) async fn serve(
    thread: &Rc<Thread>,
    socket: &Rc<Socket>,
    ends: &Ends,
    before: Vec<u8>,
) -> End {
    let wire = Wire::new(socket, before, thread.limits());
    let gauge = wire.gauge();
    let Ok(connection) = builder(thread.limits()).handshake(wire).await else {
        return End::Broken;
    };
    socket.set_deadline(None);
    socket.enter(Phase::Shared);
    gauge.gather(true);
    let connection = Connection {
        connection,
        streams: JoinSet::new(),
        shared: Rc::new(Shared {
            thread: Rc::clone(thread),
            ends: ends.clone(),
            gauge,
        }),
        socket,
        leaving: false,
    };
    connection.run().await
}

fn builder(limits: &Limits) -> Builder {
    let own = &limits.http2;
    // Our own limit is the stricter one, so that what is refused has a page and a line in the log; the
    // h2 crate answers 431 beyond this, and ends the connection beyond four times this.
    let list = limits.head_bytes + MAX_FIELDS * FIELD_COST;
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(own.streams)
        .initial_window_size(own.stream_window)
        .initial_connection_window_size(own.connection_window)
        .max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX))
        .max_send_buffer_size(own.send_buffer)
        .max_pending_accept_reset_streams(own.unseen_resets)
        .max_local_error_reset_streams(Some(own.own_resets));
    builder
}

struct Connection<'a> {
    connection: server::Connection<Wire, Bytes>,
    streams: JoinSet<()>,
    shared: Rc<Shared>,
    socket: &'a Rc<Socket>,
    /// GOAWAY was sent.
    leaving: bool,
}

/// A request and where to answer it.
type Incoming = (http::Request<RecvStream>, SendResponse<Bytes>);

impl Connection<'_> {
    async fn run(mut self) -> End {
        let thread = Rc::clone(&self.shared.thread);
        let mut idle_until = Instant::now() + thread.limits().head_time;
        loop {
            if thread.draining() && !self.leaving {
                self.leave();
                idle_until = Instant::now() + LAST_CHANCE;
            }
            self.shared.gauge.set_streams(self.streams.len());
            let is_idle = self.streams.is_empty();
            tokio::select! {
                incoming = next(&mut self.connection, &self.shared) => match incoming {
                    Ok(Some(Ok(incoming))) => self.begin(incoming),
                    Ok(Some(Err(_))) => return End::Broken,
                    Ok(None) => return End::Agreed,
                    Err(excess) => return self.calm(excess).await,
                },
                _ = self.streams.join_next(), if !is_idle => {
                    idle_until = Instant::now() + self.patience();
                }
                () = self.socket.dismissed() => {}
                () = tokio::time::sleep_until(idle_until.into()), if is_idle => {
                    if self.leaving {
                        return End::Agreed;
                    }
                    self.leave();
                    idle_until = Instant::now() + LAST_CHANCE;
                }
            }
        }
    }

    fn begin(&mut self, (request, respond): Incoming) {
        let shared = Rc::clone(&self.shared);
        self.streams
            .spawn_local(async move { shared.serve(request, respond).await });
    }

    /// How long the client may have no request.
    fn patience(&self) -> std::time::Duration {
        if self.leaving {
            LAST_CHANCE
        } else {
            self.shared.thread.limits().idle_time
        }
    }

    /// Asks the client for no more requests; those under way are finished.
    fn leave(&mut self) {
        self.leaving = true;
        self.connection.graceful_shutdown();
    }

    /// Ends the connection of a client that keeps us busy with nothing, and tells it why.
    async fn calm(mut self, excess: Excess) -> End {
        if let Some(count) = self.shared.thread.shared.calmed.add() {
            let peer = self.shared.ends.peer_ip();
            tracing::warn!(?peer, "{count} HTTP/2 connections ended: {excess}");
        }
        self.streams.abort_all();
        self.shared.gauge.gather(false);
        self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        let told = std::future::poll_fn(|context| self.connection.poll_closed(context));
        // Whoever does not read it is not told.
        let _ = tokio::time::timeout(LAST_CHANCE, told).await;
        End::Broken
    }
}

/// The next stream; `None` at the end, an error when that was told to the client already. All that is read and written happens here.
async fn next(
    connection: &mut server::Connection<Wire, Bytes>,
    shared: &Shared,
) -> Result<Option<Result<Incoming, ::h2::Error>>, Excess> {
    std::future::poll_fn(|context| {
        let accepted = connection.poll_accept(context);
        if let Some(excess) = shared.gauge.excess() {
            return Poll::Ready(Err(excess));
        }
        // Answers of all streams, together.
        if let (Poll::Ready(Err(_)), Poll::Pending) = (shared.gauge.poll_send(context), &accepted) {
            return Poll::Ready(Ok(Some(Err(Reason::INTERNAL_ERROR.into()))));
        }
        accepted.map(Ok)
    })
    .await
}
