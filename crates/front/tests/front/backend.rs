//! A server to pass requests on to, that answers exactly the bytes it is told to.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hotclub_config::Upstream;

/// What one request looked like.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// From the request line to the empty line.
    pub(crate) head: String,
    /// As it was framed.
    pub(crate) body: Vec<u8>,
}

/// Answers a request; `true`: the connection is kept.
type Answer = dyn Fn(&Seen, &mut TcpStream) -> bool + Send + Sync;

struct Shared {
    answer: Box<Answer>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    ended: AtomicBool,
}

pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Backend {
    pub(crate) fn start(
        answer: impl Fn(&Seen, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.ended.load(SeqCst) {
                    break;
                }
                let (stream, shared) = (stream.unwrap(), Arc::clone(&accepting));
                shared.connections.fetch_add(1, SeqCst);
                shared.open.fetch_add(1, SeqCst);
                std::thread::spawn(move || {
                    shared.serve(stream);
                    shared.open.fetch_sub(1, SeqCst);
                });
            }
        });
        Self { address, shared }
    }

    /// Answers every request with these bytes, and keeps the connection.
    pub(crate) fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, stream| stream.write_all(&answer).is_ok())
    }

    /// Answers every request with these bytes, and closes the connection.
    pub(crate) fn saying_once(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, stream| {
            stream.write_all(&answer).unwrap();
            false
        })
    }

    pub(crate) fn upstream(&self) -> Upstream {
        format!("http://{}", self.address).parse().unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(SeqCst)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.ended.store(true, SeqCst);
        // Wakes the one that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        while let Some(seen) = read_request(&mut stream) {
            self.seen.lock().unwrap().push(seen.clone());
            if !(self.answer)(&seen, &mut stream) {
                break;
            }
        }
    }
}

/// A whole request; `None` at the end. One with `X-Unread` is left with its body.
fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut body = Vec::new();
    let length = field(&head, "content-length").and_then(|text| text.parse().ok());
    if field(&head, "x-unread").is_some() {
        return Some(Seen { head, body });
    }
    if let Some(length) = length {
        body.resize(length, 0);
        stream.read_exact(&mut body).ok()?;
    }
    if field(&head, "transfer-encoding").is_some() {
        while !body.ends_with(b"0\r\n\r\n") {
            stream.read_exact(&mut byte).ok()?;
            body.push(byte[0]);
        }
    }
    Some(Seen { head, body })
}

/// The value of a field in a head, by its name in small letters.
pub(crate) fn field(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_owned())
        .next()
}
