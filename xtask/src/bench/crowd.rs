//! Clients in numbers: those that only keep a connection, and those whose network is slow.
//!
//! They come from many loopback addresses, because servers bound what one address may have.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::net::{AddressFamily, SocketType, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::http::HOST;
use crate::interrupt;

/// Connections from one address.
const PER_ADDRESS: usize = 50;
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a slow client sends or takes something.
const TICK: Duration = Duration::from_millis(20);

/// Connections that have been answered once and are kept.
pub(super) struct Idle {
    streams: Vec<TcpStream>,
}

impl Idle {
    pub(super) fn connect(server: SocketAddr, path: &str, count: usize) -> Result<Self> {
        raise_limit(count)?;
        let request = request("GET", path, "");
        let mut streams = Vec::with_capacity(count);
        for number in 0..count {
            interrupt::check()?;
            let stream = connect(server, number, None)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            (&stream).write_all(request.as_bytes())?;
            streams.push(stream);
        }
        for (number, stream) in streams.iter().enumerate() {
            answered(stream).with_context(|| format!("connection {number} of {count}"))?;
        }
        Ok(Self { streams })
    }

    /// Those that the server has not ended.
    pub(super) fn open(&self) -> usize {
        let is_open = |stream: &&TcpStream| {
            stream.set_nonblocking(true).is_ok()
                && matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
        };
        self.streams.iter().filter(is_open).count()
    }
}

/// Reads one answer that says its length.
fn answered(mut stream: &TcpStream) -> Result<()> {
    let mut answer = Vec::new();
    let mut part = [0; 16 * 1024];
    while !whole(&answer) {
        let count = stream.read(&mut part)?;
        ensure!(
            count > 0,
            "the server ended a connection that was to be kept"
        );
        answer.extend_from_slice(&part[..count]);
    }
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "not answered with 200");
    Ok(())
}

fn whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length: Option<usize> = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    match length {
        Some(length) => answer.len() >= end + 4 + length,
        None => answer.ends_with(b"0\r\n\r\n"),
    }
}

/// Clients that fetch a file and then post as many bytes, again and again, at so many bytes a second each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slow<'a> {
    pub(super) count: usize,
    pub(super) bytes_per_second: f64,
    /// Of a file.
    pub(super) fetch: &'a str,
    /// Of a page.
    pub(super) post: &'a str,
    pub(super) post_bytes: usize,
}

impl Slow<'_> {
    /// Until `stop` is set: how many fetches and posts were answered.
    pub(super) fn run(&self, server: SocketAddr, stop: &AtomicBool) -> Result<u64> {
        raise_limit(self.count)?;
        let mut clients = (0..self.count)
            .map(|number| Client::new(self, server, number))
            .collect::<Result<Vec<_>>>()?;
        let mut answered = 0;
        let mut last = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            interrupt::check()?;
            std::thread::sleep(TICK);
            let bytes = self.bytes_per_second * last.elapsed().as_secs_f64();
            last = Instant::now();
            for client in &mut clients {
                if client.step(bytes as usize)? {
                    answered += 1;
                    *client = client.next(self, server)?;
                }
            }
        }
        Ok(answered)
    }
}

struct Client {
    stream: TcpStream,
    number: usize,
    turn: usize,
    /// What is still to be sent.
    out: Vec<u8>,
    came: bool,
}

impl Client {
    fn new(plan: &Slow<'_>, server: SocketAddr, number: usize) -> Result<Self> {
        Self::begin(plan, server, number, number)
    }

    fn next(&self, plan: &Slow<'_>, server: SocketAddr) -> Result<Self> {
        Self::begin(plan, server, self.number, self.turn + 1)
    }

    /// Half of them begin with a fetch, the others with a post.
    fn begin(plan: &Slow<'_>, server: SocketAddr, number: usize, turn: usize) -> Result<Self> {
        // A buffer as small as its network: the server must wait for it.
        let stream = connect(server, number, Some(8 * 1024))?;
        stream.set_nonblocking(true)?;
        let out = if turn.is_multiple_of(2) {
            request("GET", plan.fetch, "Connection: close\r\n").into_bytes()
        } else {
            let fields = format!(
                "Connection: close\r\nContent-Length: {}\r\n",
                plan.post_bytes
            );
            let mut out = request("POST", plan.post, &fields).into_bytes();
            out.resize(out.len() + plan.post_bytes, b'x');
            out
        };
        Ok(Self {
            stream,
            number,
            turn,
            out,
            came: false,
        })
    }

    /// Moves so many bytes; whether the answer is at its end.
    fn step(&mut self, bytes: usize) -> Result<bool> {
        if !self.out.is_empty() {
            let part = bytes.clamp(1, self.out.len());
            match self.stream.write(&self.out[..part]) {
                Ok(count) => drop(self.out.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // It may answer a post without reading all of it.
                Err(_) => self.out.clear(),
            }
            return Ok(false);
        }
        let mut part = vec![0; bytes.max(1)];
        match self.stream.read(&mut part) {
            Ok(0) if self.came => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Ok(count) if count > 0 => {
                self.came = true;
                Ok(false)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset && self.came => Ok(true),
            _ => anyhow::bail!("a slow client was left without an answer"),
        }
    }
}

fn request(method: &str, path: &str, fields: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n")
}

fn connect(server: SocketAddr, number: usize, buffer: Option<usize>) -> Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    if let Some(bytes) = buffer {
        sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
    }
    sockopt::set_tcp_nodelay(&socket, true)?;
    let address = number / PER_ADDRESS + 2;
    let from = Ipv4Addr::new(127, 1, (address / 250) as u8, (address % 250 + 1) as u8);
    rustix::net::bind(&socket, &SocketAddrV4::new(from, 0))?;
    rustix::net::connect(&socket, &server).context("cannot connect")?;
    Ok(TcpStream::from(socket))
}

/// Descriptors for so many connections.
fn raise_limit(count: usize) -> Result<()> {
    let wanted = count as u64 + 1000;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    ensure!(
        limit.maximum.is_none_or(|most| most >= wanted),
        "{wanted} descriptors are needed\n  hint: ulimit -Hn"
    );
    let limit = Rlimit {
        current: Some(wanted),
        ..limit
    };
    Ok(setrlimit(Resource::Nofile, limit)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_clients_fetch_and_post_and_are_counted() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || serve(stream));
            }
        });
        let stop = AtomicBool::new(false);
        let slow = Slow {
            count: 4,
            bytes_per_second: 1e6,
            fetch: "/file",
            post: "/page",
            post_bytes: 1000,
        };
        let answered = std::thread::scope(|scope| {
            let run = scope.spawn(|| slow.run(server, &stop));
            std::thread::sleep(Duration::from_millis(500));
            stop.store(true, Ordering::Relaxed);
            run.join().unwrap().unwrap()
        });
        assert!(answered >= 4, "{answered}");
    }

    fn serve(mut stream: TcpStream) {
        let mut asked = Vec::new();
        let mut part = [0; 4096];
        let whole = |asked: &[u8]| {
            let post = asked.starts_with(b"POST");
            let end = asked.windows(4).position(|four| four == b"\r\n\r\n");
            end.is_some_and(|end| !post || asked.len() >= end + 4 + 1000)
        };
        while !whole(&asked) {
            let count = stream.read(&mut part).unwrap_or(0);
            if count == 0 {
                return;
            }
            asked.extend_from_slice(&part[..count]);
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }

    #[test]
    fn an_answer_without_a_length_ends_with_its_last_chunk() {
        assert!(!whole(b"HTTP/1.1 200 OK\r\n"));
        assert!(!whole(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"));
        assert!(whole(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab"));
        assert!(whole(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
        ));
    }
}
