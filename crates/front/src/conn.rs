//! The beginning and the end of a connection, whatever version of HTTP it speaks: which one that is, and
//! how it is closed so that the peer can read our last words.

use std::rc::Rc;
use std::time::Instant;

use crate::addresses::Guest;
use crate::h1::{self, Input};
use crate::h2::conn::End;
use crate::h2::{self, PREFACE};
use crate::proxy_header::{self, HeaderError};
use crate::request::{Ends, Scheme};
use crate::socket::{Pace, Socket};
use crate::thread::Thread;
use crate::tls::Protocol;

/// Bytes asked for in one read.
const READ: usize = 4096;

/// Serves a connection to its end.
pub(crate) async fn serve(thread: &Rc<Thread>, socket: &Rc<Socket>, mut ends: Ends) {
    socket.set_deadline(Some(Instant::now() + thread.first_wait()));
    let _guest = match announced(thread, socket, &mut ends).await {
        Ok(guest) => guest,
        Err(error) => return complain(thread, &ends, error),
    };
    let mut input = Input::default();
    let protocol = match ends.scheme {
        Scheme::Https => handshake(thread, socket, &mut ends).await,
        Scheme::Http if thread.shared.h2c => begins_with_preface(thread, socket, &mut input).await,
        Scheme::Http => Some(Protocol::Http1),
    };
    match protocol {
        Some(Protocol::Http1) => h1::conn::serve(thread, socket, &ends, input).await,
        Some(Protocol::Http2) => {
            // Boxed, so that a connection of HTTP/1 is small.
            let end = Box::pin(h2::conn::serve(thread, socket, &ends, input.take())).await;
            if end == End::Broken {
                linger(thread, socket, input).await;
            }
        }
        Some(Protocol::Acme) | None => {}
    }
    socket.close();
}

/// What the client and we agree on; `None` when nothing came of it, which is a stranger's doing, and there
/// are many strangers.
async fn handshake(thread: &Thread, socket: &Socket, ends: &mut Ends) -> Option<Protocol> {
    let mut pace = Pace::new(thread.limits());
    // Boxed, so that an idle connection is small.
    match Box::pin(socket.handshake(&mut pace)).await {
        Ok(()) => {
            ends.server_name = socket.server_name();
            Some(socket.protocol())
        }
        Err(error) => {
            tracing::debug!(%error, peer = ?ends.peer, "no TLS connection came about");
            None
        }
    }
}

/// Who the client is, by the header that a proxy sends first, where it is to.
async fn announced(
    thread: &Thread,
    socket: &Socket,
    ends: &mut Ends,
) -> Result<Guest, HeaderError> {
    if !thread.shared.proxy_protocol {
        return Ok(Guest::default());
    }
    // Boxed, so that a connection without one is small.
    Box::pin(proxy_header::take(thread, socket, ends)).await
}

fn complain(thread: &Thread, ends: &Ends, error: HeaderError) {
    if let Some(count) = thread.shared.headless.add() {
        let peer = ends.peer_ip();
        tracing::warn!(
            ?peer,
            "{count} connections closed at once, the last because {error}"
        );
    }
}

/// HTTP/2 when the client speaks it without having been asked ("prior knowledge", RFC 9113, 3.3). Reads no
/// more than it takes to tell: no request of HTTP/1 begins with more than three of these bytes.
async fn begins_with_preface(
    thread: &Thread,
    socket: &Socket,
    input: &mut Input,
) -> Option<Protocol> {
    loop {
        let bytes = input.bytes();
        if bytes.starts_with(PREFACE) {
            return Some(Protocol::Http2);
        }
        if !PREFACE.starts_with(bytes) || socket.expired() {
            return Some(Protocol::Http1);
        }
        if !matches!(input.fill(thread, socket, READ).await, Ok(1..)) {
            return Some(Protocol::Http1);
        }
    }
}

/// Says that nothing more comes and throws away what does come, within bounds, for a socket that is
/// closed over unread bytes takes back what was said last.
pub(crate) async fn linger(thread: &Thread, socket: &Socket, mut input: Input) {
    let limits = thread.limits();
    socket.stop_writing();
    socket.set_deadline(Some(Instant::now() + limits.linger_time));
    let mut thrown = 0;
    while thrown < limits.linger_bytes && !socket.expired() {
        input.clear();
        match input.fill(thread, socket, READ).await {
            Ok(count @ 1..) => thrown += count,
            _ => break,
        }
    }
    input.clear();
    input.release(thread);
}
