//! The beginning and the end of a connection, whatever version of HTTP it speaks: which one that is, and
//! how it is closed so that the peer can read our last words.

use std::rc::Rc;
use std::time::Instant;

use crate::h1::{self, Input};
use crate::h2::conn::End;
use crate::h2::{self, PREFACE};
use crate::request::Ends;
use crate::socket::Socket;
use crate::thread::Thread;

/// Bytes asked for in one read.
const READ: usize = 4096;

/// Serves a connection to its end.
pub(crate) async fn serve(thread: &Rc<Thread>, socket: &Rc<Socket>, ends: &Ends) {
    socket.set_deadline(Some(Instant::now() + thread.first_wait()));
    let mut input = Input::default();
    if thread.shared.h2c && begins_with_preface(thread, socket, &mut input).await {
        // Boxed, so that a connection of HTTP/1 is small.
        let end = Box::pin(h2::conn::serve(thread, socket, ends, input.take())).await;
        if end == End::Broken {
            linger(thread, socket, input).await;
        }
    } else {
        h1::conn::serve(thread, socket, ends, input).await;
    }
}

/// Whether the client speaks HTTP/2 without having been asked ("prior knowledge", RFC 9113, 3.3). Reads no
/// more than it takes to tell: no request of HTTP/1 begins with more than three of these bytes.
async fn begins_with_preface(thread: &Thread, socket: &Socket, input: &mut Input) -> bool {
    loop {
        let bytes = input.bytes();
        if bytes.len() >= PREFACE.len() {
            return bytes.starts_with(PREFACE);
        }
        if !PREFACE.starts_with(bytes) || socket.expired() {
            return false;
        }
        if !matches!(input.fill(thread, socket, READ).await, Ok(1..)) {
            return false;
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
