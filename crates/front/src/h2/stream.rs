//! One request and its response.

use std::rc::Rc;
use std::time::Instant;

use ::h2::RecvStream;
use ::h2::server::SendResponse;
use bytes::Bytes;

use crate::exchange::{Client, Exchange, Outcome};
use crate::h2::body::{Arrival, Reader};
use crate::h2::request::{self, Message};
use crate::h2::wire::Gauge;
use crate::h2::write::Writer;
use crate::handle::Handled;
use crate::policy;
use crate::request::{Ends, Request, RequestBody};
use crate::respond::Trouble;
use crate::spool::BodyError;
use crate::thread::Thread;

/// What the streams of a connection have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) thread: Rc<Thread>,
    pub(crate) ends: Ends,
    pub(crate) gauge: Rc<Gauge>,
}

impl Shared {
    /// Answers a request. The stream is reset when this is dropped before its end, and, with no error,
    /// when the response is complete and the request is not (RFC 9113, 8.1).
    pub(crate) async fn serve(
        self: Rc<Self>,
        incoming: http::Request<RecvStream>,
        respond: SendResponse<Bytes>,
    ) {
        let started = Instant::now();
        let mut request = self.thread.take_request();
        self.answer(&mut request, incoming, respond, started).await;
        self.thread.give_request(request);
    }

    async fn answer(
        &self,
        request: &mut Request,
        incoming: http::Request<RecvStream>,
        respond: SendResponse<Bytes>,
        started: Instant,
    ) {
        let thread = &*self.thread;
        let (parts, stream) = incoming.into_parts();
        let context = policy::Context {
            ends: &self.ends,
            trusted: &thread.shared.trusted,
            id: thread.ids.next(thread.clock.now().1),
        };
        let read = request::read(&parts, thread.limits(), &context, request);
        drop(parts);
        let request = &*request;
        let exchange = Exchange {
            thread,
            ends: &self.ends,
            request,
            started,
        };
        let table = thread.shared.table.load_full();
        let found = table.find(request.host(), self.ends.local_ip());
        let mut visitor = Visitor {
            reader: Reader {
                thread,
                stream,
                limit: thread.limits().body_bytes,
            },
            respond,
            message: Message::default(),
            arrival: None,
        };
        let handled = match read {
            Err(error) => Trouble::from(error).response(&request.id).into(),
            Ok(message) => {
                visitor.message = message;
                match exchange.answer(found, &mut visitor).await {
                    Outcome::Answer(handled, _) => handled,
                    Outcome::Left => return exchange.log_left(found),
                }
            }
        };
        let Handled { response, times } = handled;
        let status = response.status;
        let writer = Writer {
            thread,
            gauge: &self.gauge,
            respond: visitor.respond,
        };
        let bytes = writer.send(response, request.is_head()).await;
        exchange.log(found, status, bytes, &times);
    }
}

/// Whoever is at the other end of the stream.
struct Visitor<'a> {
    reader: Reader<'a>,
    respond: SendResponse<Bytes>,
    message: Message,
    /// Of a body that is wanted in parts.
    arrival: Option<Arrival>,
}

impl Visitor<'_> {
    /// Tells a client that waits for it to go on.
    fn invite(&mut self) {
        if self.message.expects && self.reader.is_awaited() {
            let mut go_on = http::Response::new(());
            *go_on.status_mut() = http::StatusCode::CONTINUE;
            // Fails when the client is gone, which reading will show.
            let _ = self.respond.send_informational(go_on);
        }
    }
}

impl Client for Visitor<'_> {
    fn limit(&mut self, bytes: u64) {
        self.reader.limit = bytes;
    }

    async fn receive(&mut self) -> Result<RequestBody, BodyError> {
        self.invite();
        self.reader.receive(&self.message).await
    }

    fn announced(&self) -> Option<Option<u64>> {
        let message = &self.message;
        self.reader.has_body(message).then_some(message.length)
    }

    async fn next_part(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.arrival.is_none() {
            self.invite();
        }
        let thread = self.reader.thread;
        let arrival = self.arrival.get_or_insert_with(|| Arrival::new(thread));
        self.reader.part(arrival).await
    }

    fn has_ended(&self) -> bool {
        self.reader.has_ended()
    }

    async fn discard(&mut self) -> bool {
        self.reader.discard(&self.message).await
    }

    async fn left(&mut self) {
        // An error is the end of the connection.
        let _ = std::future::poll_fn(|context| self.respond.poll_reset(context)).await;
    }
}
