//! A front with an app whose worker is a thread of this process: it answers every message with the same small
//! page and takes no memory for it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use hotclub_app::{Board, BufferBounds, Buffers, Common, Eyes, Lane};
use hotclub_front::{
    Address, AppRoute, Front, Limits, Listener, NamedFiles, Options, Site, Table, TrustedProxies,
};
use hotclub_wire::{FrameHeader, FrameKind, RequestHeader};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};

/// What a browser sends.
pub(crate) const REQUEST: &[u8] = b"GET /art/2024/untitled?page=2 HTTP/1.1\r\n\
Host: example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
Accept-Language: en-US,en;q=0.5\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Cookie: csrftoken=0123456789abcdef0123456789abcdef\r\n\
Upgrade-Insecure-Requests: 1\r\n\
Sec-Fetch-Dest: document\r\n\
Connection: keep-alive\r\n\r\n";
const HEAD: &[u8] =
    b"OK\0Content-Type\0text/html; charset=utf-8\0X-Frame-Options\0DENY\0Content-Length\x0014";
const BODY: &[u8] = b"Hello, world!\n";

/// Keeps the front and what it needs alive.
pub(crate) struct Served {
    pub(crate) front: Front,
    address: std::net::SocketAddr,
}

pub(crate) fn serve() -> Served {
    let buffers = Buffers::new(
        std::env::temp_dir(),
        BufferBounds {
            per_connection: 1 << 18,
            memory: 1 << 26,
            spooled: 1 << 30,
        },
    );
    let front = Front::start(Options {
        threads: 1,
        limits: Limits::default(),
        trusted: TrustedProxies::default(),
        h2c: false,
        proxy_protocol: false,
        log: None,
        buffers: Arc::clone(&buffers),
    })
    .unwrap();
    let lane = lane(&front, buffers);
    let app = AppRoute {
        lanes: vec![lane],
        retry: true,
        named_files: NamedFiles::Serve,
    };
    let site = Site::new("site", vec!["example.com".to_owned()], vec![], Some(app));
    front.swap(Arc::new(Table::new([Arc::new(site)], None)));
    let any = Address::Tcp("127.0.0.1:0".parse().unwrap());
    let listener = Arc::new(Listener::bind(&any).unwrap());
    front.accept(&listener);
    let Address::Tcp(address) = *listener.address() else {
        panic!("not TCP");
    };
    Served { front, address }
}

fn lane(front: &Front, buffers: Arc<Buffers>) -> Lane {
    let kind = (
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
    );
    let (ours, queue) = socketpair(kind.0, kind.1, kind.2, None).unwrap();
    let (replies, reply) = UnixStream::pair().unwrap();
    let (events, _) = tokio::sync::mpsc::unbounded_channel();
    let common = Common {
        board: Arc::new(Board::new(1).unwrap()),
        buffers,
        counts: Arc::default(),
        limits: hotclub_app::Limits {
            depth: 8,
            max_waiting: 100,
            queue_timeout: Duration::from_secs(20),
            timeout: None,
        },
        events,
        eyes: Eyes::Own,
    };
    let lane = Lane::new(0, front.runtimes()[0].clone(), ours, common).unwrap();
    lane.attach(0, replies.into()).unwrap();
    std::thread::spawn(move || work(&queue, reply));
    lane
}

fn work(queue: &std::os::fd::OwnedFd, mut reply: UnixStream) {
    let mut message = [0_u8; 4096];
    let mut frame = [0_u8; 32 + HEAD.len() + BODY.len()];
    frame[32..32 + HEAD.len()].copy_from_slice(HEAD);
    frame[32 + HEAD.len()..].copy_from_slice(BODY);
    while let Ok((size, _)) = recv(queue, &mut message[..], RecvFlags::empty()) {
        if size == 0 {
            return;
        }
        let header = FrameHeader {
            kind: FrameKind::Head,
            end: true,
            status: 200,
            head_len: HEAD.len() as u32,
            id: RequestHeader::decode(&message[..size]).unwrap().id,
            body_len: BODY.len() as u64,
            started_at: hotclub_app::monotonic_now(),
        };
        frame[..32].copy_from_slice(&header.encode());
        if reply.write_all(&frame).is_err() {
            return;
        }
    }
}

/// A kept connection.
pub(crate) struct Client {
    stream: TcpStream,
    /// Bytes of an answer.
    length: usize,
}

impl Served {
    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Client { stream, length: 0 };
        client.stream.write_all(REQUEST).unwrap();
        let mut answer = [0; 4096];
        while !answer[..client.length].ends_with(BODY) {
            let read = client.stream.read(&mut answer[client.length..]).unwrap();
            assert_ne!(read, 0, "the front hung up");
            client.length += read;
        }
        client
    }
}

impl Client {
    /// Asks so many times, one after another. Takes no memory.
    pub(crate) fn ask(&mut self, times: u32) {
        let mut answer = [0; 4096];
        for _ in 0..times {
            self.stream.write_all(REQUEST).unwrap();
            self.stream.read_exact(&mut answer[..self.length]).unwrap();
        }
    }
}
