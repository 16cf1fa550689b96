//! The life of a connection: wait, read a head, find who answers, read the body, answer, log; again.

use std::time::Instant;

use bytes::Bytes;

use crate::conn;
use crate::exchange::{Client, Exchange, Outcome};
use crate::h1::body::{Arrival, Reader};
use crate::h1::head::{self, Framing, Message};
use crate::h1::input::Input;
use crate::h1::write::{End, Terms, Writer};
use crate::handle::Handled;
use crate::head::HeadError;
use crate::policy;
use crate::request::{Ends, Request, RequestBody};
use crate::respond::Trouble;
use crate::socket::{Phase, Socket};
use crate::spool::BodyError;
use crate::target::TargetError;
use crate::thread::{LAST_CHANCE, Thread};

/// Bytes asked for in one read of a head.
const READ: usize = 4096;
/// Pipelined bytes that are kept while an app works.
const AHEAD: usize = 16 * 1024;

/// What becomes of the connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Keep,
    Close,
    /// Bytes that we will not read may be under way: the client must be able to read our answer.
    Linger,
    /// The client must see that something is missing.
    Reset,
}

struct Connection<'a> {
    thread: &'a Thread,
    socket: &'a Socket,
    ends: &'a Ends,
    input: Input,
}

/// Serves a connection to its end.
/// What is in `input` was read already.
pub(crate) async fn serve(thread: &Thread, socket: &Socket, ends: &Ends, input: Input) {
    let mut connection = Connection {
        thread,
        socket,
        ends,
        input,
    };
    socket.set_deadline(Some(Instant::now() + thread.first_wait()));
    while connection.wait().await {
        socket.enter(Phase::Busy);
        // Boxed, so that an idle connection is small.
        match Box::pin(connection.exchange()).await {
            After::Keep => {}
            After::Close => return,
            After::Linger => return conn::linger(thread, socket, connection.input).await,
            After::Reset => return socket.reset(),
        }
        socket.enter(Phase::Idle);
        connection.input.release(thread);
        if connection.input.is_empty() {
            socket.set_deadline(Some(Instant::now() + thread.limits().idle_time));
        }
    }
}

impl<'a> Connection<'a> {
    fn begun<'r>(&self, request: &'r Request, started: Instant) -> Exchange<'r>
    where
        'a: 'r,
    {
        Exchange {
            thread: self.thread,
            ends: self.ends,
            request,
            started,
        }
    }

    /// Waits for a request's first byte; `false` when none comes. Takes no memory.
    async fn wait(&mut self) -> bool {
        if !self.input.is_empty() {
            return true;
        }
        if self.thread.draining() && self.socket.phase() == Phase::Idle {
            // It was promised to be kept just before the drain began: one request more may be under way.
            let soon = Instant::now() + LAST_CHANCE;
            self.socket.set_deadline(Some(soon));
        }
        self.socket.readable().await.is_ok()
    }

    async fn exchange(&mut self) -> After {
        let mut request = self.thread.take_request();
        let after = self.serve_request(&mut request).await;
        self.thread.give_request(request);
        after
    }

    async fn serve_request(&mut self, request: &mut Request) -> After {
        let started = Instant::now();
        // What is no request is logged, too, with where it came from.
        request.client = self.ends.peer_ip();
        let message = match self.read_head(request).await {
            Ok(Some(message)) => message,
            Ok(None) => return After::Close,
            Err(trouble) => return self.refuse(request, &trouble, started).await,
        };
        let request = &*request;
        let exchange = self.begun(request, started);
        let table = self.thread.shared.table.load_full();
        let found = table.find(request.host(), self.ends.local_ip());
        let mut visitor = Visitor {
            reader: Reader {
                thread: self.thread,
                socket: self.socket,
                input: &mut self.input,
                plenty: false,
                limit: self.thread.limits().body_bytes,
            },
            message: &message,
            arrival: None,
        };
        let Outcome::Answer(handled, whole) = exchange.answer(found, &mut visitor).await else {
            exchange.log_left(found);
            return After::Close;
        };
        let terms = Terms {
            version: request.version,
            is_head: request.is_head(),
            keep_alive: whole && message.keep_alive && !self.thread.draining(),
        };
        let Handled { response, times } = handled;
        let status = response.status;
        self.input.release(self.thread);
        let sent = Writer::new(self.thread, self.socket, &mut self.input)
            .send(response, terms)
            .await;
        exchange.log(found, status, sent.bytes, &times);
        match sent.end {
            End::Complete => After::Keep,
            End::Close if whole && self.input.is_empty() => After::Close,
            End::Close => After::Linger,
            End::Cut => After::Reset,
            End::Lost => After::Close,
        }
    }

    /// A whole and valid head; `None` when the client left or never asked.
    async fn read_head(&mut self, request: &mut Request) -> Result<Option<Message>, Trouble> {
        let mut scanned = 0;
        let mut timed = false;
        let end = loop {
            if let Some(end) = head::find_end(self.input.bytes(), &mut scanned)? {
                break end;
            }
            self.check_size()?;
            if !timed && !self.input.is_empty() {
                let until = Instant::now() + self.thread.limits().head_time;
                self.socket.set_deadline(Some(until));
                timed = true;
            }
            let count = self.input.fill(self.thread, self.socket, READ).await;
            match count {
                _ if self.socket.expired() && self.input.is_empty() => return Ok(None),
                _ if self.socket.expired() => return Err(Trouble::SlowHead),
                Ok(1..) => {}
                Ok(0) | Err(_) => return Ok(None),
            }
        };
        self.socket.set_deadline(None);
        let limit = self.thread.limits().head_bytes;
        if end > limit {
            return Err(HeadError::Large { limit }.into());
        }
        let context = policy::Context {
            ends: self.ends,
            trusted: &self.thread.shared.trusted,
            id: self.thread.ids.next(self.thread.clock.now().1),
        };
        let head = &self.input.bytes()[..end];
        let message = head::parse(head, self.thread.limits(), &context, request)?;
        self.input.consume(end);
        Ok(Some(message))
    }

    /// Without an end in sight: whether there is still room for one.
    fn check_size(&self) -> Result<(), HeadError> {
        let limits = self.thread.limits();
        let bytes = self.input.bytes();
        if bytes.len() <= limits.head_bytes {
            return Ok(());
        }
        if memchr::memchr(b'\n', bytes).is_none() {
            let limit = limits.target_bytes;
            return Err(TargetError::Long { limit }.into());
        }
        let limit = limits.head_bytes;
        Err(HeadError::Large { limit })
    }

    /// Answers what is no request; nothing more is served on this connection.
    async fn refuse(&mut self, request: &Request, trouble: &Trouble, started: Instant) -> After {
        let exchange = self.begun(request, started);
        let response = trouble.response(&request.id);
        let status = response.status;
        let terms = Terms {
            version: request.version,
            is_head: request.is_head(),
            keep_alive: false,
        };
        let sent = Writer::new(self.thread, self.socket, &mut self.input)
            .send(response, terms)
            .await;
        exchange.log(None, status, sent.bytes, &Default::default());
        After::Linger
    }
}

/// Whoever is at the other end, during one request.
struct Visitor<'a> {
    reader: Reader<'a>,
    message: &'a Message,
    /// Made when a body is wanted in parts.
    arrival: Option<Arrival>,
}

impl Client for Visitor<'_> {
    fn limit(&mut self, bytes: u64) {
        self.reader.limit = bytes;
    }

    async fn receive(&mut self) -> Result<RequestBody, BodyError> {
        self.reader.receive(self.message).await
    }

    fn announced(&self) -> Option<Option<u64>> {
        match self.message.framing {
            Framing::None => None,
            Framing::Length(length) => Some(Some(length)),
            Framing::Chunked => Some(None),
        }
    }

    async fn next_part(&mut self) -> Result<Option<Bytes>, BodyError> {
        let begin = || Arrival::new(self.message, self.reader.thread);
        let arrival = self.arrival.get_or_insert_with(begin);
        self.reader.part(arrival).await
    }

    fn has_ended(&self) -> bool {
        self.arrival.as_ref().is_some_and(Arrival::has_ended)
    }

    async fn discard(&mut self) -> bool {
        self.reader.discard(self.message).await
    }

    async fn left(&mut self) {
        let Reader { thread, socket, .. } = self.reader;
        self.reader.input.until_left(thread, socket, AHEAD).await;
    }
}
