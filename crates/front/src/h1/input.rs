//! What has arrived on a connection and was not used yet. Without bytes it holds no memory.

use std::io;

use crate::socket::Socket;
use crate::thread::Thread;

/// Bytes that arrived; the front part is used up.
#[derive(Debug, Default)]
pub(crate) struct Input {
    buffer: Vec<u8>,
    used: usize,
}

impl Input {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.used..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.used == self.buffer.len()
    }

    /// The first `count` bytes are dealt with.
    pub(crate) fn consume(&mut self, count: usize) {
        self.used = self.used.saturating_add(count).min(self.buffer.len());
        if self.is_empty() {
            self.buffer.clear();
            self.used = 0;
        }
    }

    /// Hands over what was not used.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.buffer.drain(..std::mem::take(&mut self.used));
        std::mem::take(&mut self.buffer)
    }

    /// Everything is dealt with.
    pub(crate) fn clear(&mut self) {
        self.consume(self.bytes().len());
    }

    /// Reads once, at least one byte unless the peer has ended: then 0. Safe to drop. While it waits it
    /// holds no more memory than what has arrived needs.
    pub(crate) async fn fill(
        &mut self,
        thread: &Thread,
        socket: &Socket,
        room: usize,
    ) -> io::Result<usize> {
        loop {
            self.make_room(thread, room);
            if let Some(outcome) = socket.try_read(&mut self.buffer) {
                return outcome;
            }
            self.shrink(thread);
            socket.readable().await?;
        }
    }

    fn make_room(&mut self, thread: &Thread, room: usize) {
        if self.buffer.capacity() - self.buffer.len() >= room {
            return;
        }
        let mut larger = thread.take_buffer();
        larger.extend_from_slice(self.bytes());
        larger.reserve(room);
        self.used = 0;
        thread.give_buffer(std::mem::replace(&mut self.buffer, larger));
    }

    /// Keeps a short beginning in a buffer of its size.
    fn shrink(&mut self, thread: &Thread) {
        let bytes = self.bytes();
        if bytes.len() <= self.buffer.capacity() / 4 {
            let kept = bytes.to_vec();
            self.used = 0;
            thread.give_buffer(std::mem::replace(&mut self.buffer, kept));
        }
    }

    /// Gives the memory back when there is nothing in it.
    pub(crate) fn release(&mut self, thread: &Thread) {
        if self.is_empty() && self.buffer.capacity() > 0 {
            self.used = 0;
            thread.give_buffer(std::mem::take(&mut self.buffer));
        }
    }

    /// Returns when the peer has left. What it sends meanwhile (pipelined requests) is kept, up to
    /// `most` bytes; beyond that nothing more is read and a leaving peer goes unseen.
    pub(crate) async fn until_left(&mut self, thread: &Thread, socket: &Socket, most: usize) {
        while self.bytes().len() < most {
            if socket.readable().await.is_err() {
                return;
            }
            if !matches!(self.fill(thread, socket, 1024).await, Ok(1..)) {
                return;
            }
        }
        std::future::pending().await
    }
}
