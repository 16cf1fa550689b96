//! The life of a connection: wait, read a head, find who answers, read the body, answer, log; again.

use std::time::Instant;

use hotclub_app::CallError;

use crate::access_log::Entry;
use crate::h1::body::Reader;
use crate::h1::head::{self, HeadError, Message};
use crate::h1::input::Input;
use crate::h1::write::{End, Sent, Terms, Writer};
use crate::handle::{self, Handled};
use crate::policy;
use crate::request::{Ends, Request};
use crate::respond::Trouble;
use crate::route::{self, Route};
use crate::socket::{Phase, Socket};
use crate::table::Table;
use crate::target::TargetError;
use crate::thread::{LAST_CHANCE, Thread};

/// Bytes asked for in one read of a head.
const READ: usize = 4096;
/// Pipelined bytes that are kept while an app works.
const AHEAD: usize = 16 * 1024;
/// The client left before its answer: NGINX's number for it, in the log only.
const CLIENT_LEFT: u16 = 499;

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
pub(crate) async fn serve(thread: &Thread, socket: &Socket, ends: &Ends) {
    let mut connection = Connection {
        thread,
        socket,
        ends,
        input: Input::default(),
    };
    socket.set_deadline(Some(Instant::now() + thread.first_wait()));
    while connection.wait().await {
        socket.enter(Phase::Busy);
        // Boxed, so that an idle connection is small.
        match Box::pin(connection.exchange()).await {
            After::Keep => {}
            After::Close => return,
            After::Linger => return connection.linger().await,
            After::Reset => return socket.reset(),
        }
        socket.enter(Phase::Idle);
        connection.input.release(thread);
        if connection.input.is_empty() {
            socket.set_deadline(Some(Instant::now() + thread.limits().idle_time));
        }
    }
}

impl Connection<'_> {
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
        let message = match self.read_head(request).await {
            Ok(Some(message)) => message,
            Ok(None) => return After::Close,
            Err(trouble) => return self.refuse(request, &trouble, started).await,
        };
        let request = &*request;
        let table = self.thread.shared.table.load_full();
        let site = table.find(request.host()).map_or("", |site| &site.name);
        let (handled, whole) = match self.answer(request, &message, &table).await {
            Outcome::Answer(handled, whole) => (handled, whole),
            Outcome::Left => {
                let sent = Sent {
                    bytes: 0,
                    end: End::Lost,
                };
                self.log(
                    request,
                    site,
                    CLIENT_LEFT,
                    sent,
                    started,
                    &Default::default(),
                );
                return After::Close;
            }
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
        self.log(request, site, status, sent, started, &times);
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

    /// Finds who answers, reads the body if that one wants it, and asks.
    async fn answer(&mut self, request: &Request, message: &Message, table: &Table) -> Outcome {
        let route = route::find(table, request);
        let reader = Reader {
            thread: self.thread,
            socket: self.socket,
            input: &mut self.input,
            plenty: false,
        };
        let (body, whole) = match &route {
            Ok(Route::App(..)) => match reader.receive(message).await {
                Ok(body) => (body, true),
                Err(crate::h1::BodyError::Left) => return Outcome::Left,
                Err(error) => return self.own(request, &error.into(), false),
            },
            _ => (Default::default(), reader.discard(message).await),
        };
        let route = match route {
            Ok(route) => route,
            Err(trouble) => return self.own(request, &trouble, whole),
        };
        let work = handle::handle(self.thread, request, self.ends, route, body);
        let handled = tokio::select! {
            biased;
            handled = work => handled,
            () = self.input.until_left(self.thread, self.socket, AHEAD) => return Outcome::Left,
        };
        match handled {
            Ok(handled) => Outcome::Answer(handled, whole),
            Err(trouble) => self.own(request, &trouble, whole),
        }
    }

    /// An answer of ours.
    fn own(&self, request: &Request, trouble: &Trouble, whole: bool) -> Outcome {
        let id = request.id.as_str();
        match trouble {
            // Under overload a line each would be part of the load.
            Trouble::Call(CallError::QueueFull | CallError::QueueTimeout) => {
                if let Some(count) = self.thread.shared.turned_away.add() {
                    tracing::warn!(
                        id,
                        "{count} requests answered 503: {trouble}\nhint: more workers, or a faster \
                         app; see max_queue and queue_timeout"
                    );
                }
            }
            _ if trouble.status() >= 500 => {
                tracing::error!(id, status = trouble.status(), "{trouble}");
            }
            _ => {}
        }
        Outcome::Answer(trouble.response(&request.id).into(), whole)
    }

    /// Answers what is no request; nothing more is served on this connection.
    async fn refuse(&mut self, request: &Request, trouble: &Trouble, started: Instant) -> After {
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
        self.log(request, "", status, sent, started, &Default::default());
        After::Linger
    }

    /// Says that nothing more comes and throws away what does come, within bounds, for a socket that
    /// is closed over unread bytes takes back the answer.
    async fn linger(&mut self) {
        let limits = self.thread.limits();
        self.socket.stop_writing();
        self.socket
            .set_deadline(Some(Instant::now() + limits.linger_time));
        let mut thrown = 0;
        while thrown < limits.linger_bytes && !self.socket.expired() {
            self.input.clear();
            match self.input.fill(self.thread, self.socket, READ).await {
                Ok(count @ 1..) => thrown += count,
                _ => break,
            }
        }
        self.input.clear();
        self.input.release(self.thread);
    }

    fn log(
        &self,
        request: &Request,
        site: &str,
        status: u16,
        sent: Sent,
        started: Instant,
        times: &hotclub_app::Times,
    ) {
        let Some(log) = &self.thread.log else {
            return;
        };
        let entry = Entry {
            request,
            site,
            status,
            bytes: sent.bytes,
            total: started.elapsed(),
            queued: times.queued,
            app: times.app,
        };
        log.add(&entry, &self.thread.clock);
    }
}

enum Outcome {
    /// And whether the request's body was read to its end.
    Answer(Handled, bool),
    Left,
}
