//! An open loop: requests are due at moments that are fixed beforehand, whatever became of those before, and
//! latency counts from there. A server that stalls cannot hide it by being asked less (coordinated omission),
//! and one that is asked too much is asked on.
//!
//! One thread, kept connections, a new one whenever all are waiting. How late requests were sent is reported:
//! a generator that cannot keep up measures itself.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::closed::Closed;
use super::engine::Turn;
use super::server::Server;
use crate::http::HOST;
use crate::interrupt;

#[derive(Clone, Copy, Debug)]
pub(super) struct Open<'a> {
    pub(super) path: &'a str,
    /// Requests a second.
    pub(super) rate: f64,
    pub(super) length: Duration,
    /// What is not answered then has failed.
    pub(super) patience: Duration,
}

/// Connections at most; what is due when all are waiting is never sent, and has failed.
const CONNECTIONS: usize = 4000;

/// In milliseconds from when a request was due, the fastest first.
#[derive(Debug, Default)]
pub(super) struct Timings {
    /// Answered with 200.
    pub(super) good: Vec<f64>,
    /// Answered with 503.
    pub(super) refused: Vec<f64>,
    /// Anything else, and nothing.
    pub(super) failed: u64,
    /// From when it was due to when it was sent.
    pub(super) late: Vec<f64>,
}

pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share).ceil() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

impl Timings {
    /// What was not answered with 200.
    pub(super) fn bad(&self) -> u64 {
        self.failed + self.refused.len() as u64
    }
}

impl<'a> Open<'a> {
    /// A page at a share of what its stack can do at 16 connections; whoever asks waits for ten seconds and no longer.
    pub(super) fn at_share(
        turn: &Turn<'_>,
        server: &Server,
        path: &'a str,
        share: f64,
    ) -> Result<Self> {
        let capacity = turn.measure(&Closed::gets(&[path.to_owned()], 16), server)?;
        Ok(Self {
            path,
            rate: capacity.requests_per_second * share,
            length: turn.plan().measure,
            patience: Duration::from_secs(10),
        })
    }

    /// How many are due in all.
    pub(super) fn requests(&self) -> f64 {
        self.rate * self.length.as_secs_f64()
    }

    pub(super) fn run(&self, server: SocketAddr) -> Result<Timings> {
        let request = format!("GET {} HTTP/1.1\r\nHost: {HOST}\r\n\r\n", self.path);
        let mut driver = Driver {
            server,
            request: request.into_bytes(),
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            connections: Vec::new(),
            idle: Vec::new(),
            timings: Timings::default(),
        };
        driver.drive(self)?;
        let mut timings = driver.timings;
        for list in [&mut timings.good, &mut timings.refused, &mut timings.late] {
            list.sort_by(f64::total_cmp);
        }
        Ok(timings)
    }
}

struct Driver {
    server: SocketAddr,
    request: Vec<u8>,
    epoll: std::os::fd::OwnedFd,
    /// `None`: it has ended, and its place is free.
    connections: Vec<Option<Connection>>,
    /// Those that were used last are used next.
    idle: Vec<usize>,
    timings: Timings,
}

struct Connection {
    stream: TcpStream,
    /// When what it waits for was due.
    due: Option<Instant>,
    answer: Vec<u8>,
}

impl Driver {
    fn drive(&mut self, plan: &Open<'_>) -> Result<()> {
        let began = Instant::now();
        let count = (plan.rate * plan.length.as_secs_f64()) as u32;
        let due = |n: u32| began + Duration::from_secs_f64(f64::from(n) / plan.rate);
        let mut waiting: VecDeque<u32> = (0..count).collect();
        let end = began + plan.length + plan.patience;
        loop {
            let now = Instant::now();
            while waiting.front().is_some_and(|n| due(*n) <= now) {
                if let Some(n) = waiting.pop_front() {
                    self.ask(due(n));
                }
            }
            let open = self.connections.iter().flatten().any(|c| c.due.is_some());
            if now > end || (waiting.is_empty() && !open) {
                break;
            }
            interrupt::check()?;
            self.listen(waiting.front().map_or(end, |n| due(*n)))?;
        }
        let unanswered = self
            .connections
            .iter()
            .flatten()
            .filter(|c| c.due.is_some());
        self.timings.failed += unanswered.count() as u64;
        Ok(())
    }

    fn ask(&mut self, due: Instant) {
        while let Some(index) = self.idle.pop() {
            if self.send(index, due) {
                return;
            }
        }
        match self.connect() {
            Ok(index) if self.send(index, due) => {}
            _ => self.timings.failed += 1,
        }
    }

    /// `false`: the connection had ended.
    fn send(&mut self, index: usize, due: Instant) -> bool {
        let Some(connection) = &mut self.connections[index] else {
            return false;
        };
        if connection.stream.write_all(&self.request).is_err() {
            self.connections[index] = None;
            return false;
        }
        connection.due = Some(due);
        self.timings.late.push(milliseconds(due));
        true
    }

    fn connect(&mut self) -> Result<usize> {
        let free = self.connections.iter().position(Option::is_none);
        let index = free.unwrap_or(self.connections.len());
        anyhow::ensure!(index < CONNECTIONS, "all connections are waiting");
        let stream = TcpStream::connect_timeout(&self.server, Duration::from_secs(1))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let data = EventData::new_u64(index as u64);
        epoll::add(&self.epoll, &stream, data, EventFlags::IN)?;
        let connection = Some(Connection {
            stream,
            due: None,
            answer: Vec::new(),
        });
        if index == self.connections.len() {
            self.connections.push(connection);
        } else {
            self.connections[index] = connection;
        }
        Ok(index)
    }

    /// Reads what has come, or comes until then.
    fn listen(&mut self, until: Instant) -> Result<()> {
        let time = until.saturating_duration_since(Instant::now());
        let time = time.min(Duration::from_millis(100));
        let time = Timespec {
            tv_sec: 0,
            tv_nsec: time.subsec_nanos().into(),
        };
        let mut events = Vec::with_capacity(256);
        let spare = rustix::buffer::spare_capacity(&mut events);
        match epoll::wait(&self.epoll, spare, Some(&time)) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            outcome => outcome.context("epoll")?,
        };
        for event in &events {
            let data = event.data;
            self.read(usize::try_from(data.u64())?);
        }
        Ok(())
    }

    fn read(&mut self, index: usize) {
        let Some(connection) = self.connections.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        let mut part = [0; 64 * 1024];
        match connection.stream.read(&mut part) {
            Ok(count) if count > 0 => connection.answer.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            _ => {
                self.timings.failed += u64::from(connection.due.is_some());
                self.connections[index] = None;
                self.idle.retain(|idle| *idle != index);
                return;
            }
        }
        let Some(answer) = Answer::whole(&connection.answer) else {
            return;
        };
        connection.answer.clear();
        if let Some(due) = connection.due.take() {
            match answer.status {
                200 => self.timings.good.push(milliseconds(due)),
                503 => self.timings.refused.push(milliseconds(due)),
                _ => self.timings.failed += 1,
            }
        }
        if answer.keeps {
            self.idle.push(index);
        } else {
            self.connections[index] = None;
        }
    }
}

fn milliseconds(due: Instant) -> f64 {
    due.elapsed().as_secs_f64() * 1000.0
}

#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    keeps: bool,
}

impl Answer {
    /// `None` until the whole answer is there.
    fn whole(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let body = &bytes[end..];
        let whole = match field("content-length:") {
            Some(length) => body.len() >= length.trim().parse().ok()?,
            None => body.ends_with(b"0\r\n\r\n"),
        };
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let keeps = field("connection:").is_none_or(|value| value.trim() != "close");
        whole.then_some(Self { status, keeps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab";
        assert_eq!(Answer::whole(head), None);
        let whole = b"HTTP/1.1 503 X\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
        assert_eq!(
            Answer::whole(whole),
            Some(Answer {
                status: 503,
                keeps: false
            })
        );
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
        assert_eq!(
            Answer::whole(chunked),
            Some(Answer {
                status: 200,
                keeps: true
            })
        );
    }

    #[test]
    fn a_server_that_stalls_is_asked_on_and_every_request_counts_from_when_it_was_due() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let (taken, took) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            // Nobody is answered before all have asked.
            let streams: Vec<_> = (0..5).map(|_| listener.accept().unwrap().0).collect();
            taken.send(()).unwrap();
            for mut stream in streams {
                let mut request = [0; 512];
                let _ = stream.read(&mut request).unwrap();
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .unwrap();
            }
        });
        let load = Open {
            path: "/",
            rate: 50.0,
            length: Duration::from_millis(100),
            patience: Duration::from_secs(20),
        };
        let timings = load.run(server).unwrap();
        took.recv().unwrap();
        assert_eq!((timings.good.len(), timings.failed), (5, 0));
        // The first was due 80 ms before the last.
        assert!(timings.good[4] >= 79.0, "{:?}", timings.good);
    }
}
