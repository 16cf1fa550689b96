//! Thousands of connections whose clients are slow, each in one of four ways, driven by one thread.
//!
//! All of them stay within the default limits as long as they can: one that is cut is made anew, as an attacker
//! would. They come from many loopback addresses, because a server counts the connections of each. Their
//! segments are as long as on a real network: with those of loopback the kernel takes megabytes of every answer.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

/// Every connection has its turn once in this time.
const ROUND: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(5);
/// Of those who arrive, so many wait for an answer at the most: the others come when the server has time for them.
const WAITING: usize = 50;
/// Time that is made up for, at most.
const DEBT: Duration = Duration::from_secs(1);
/// Connections made in a tick while the crowd gathers: a thousand a second, half of which ask for something. All at
/// once they would be a flood, which is another matter.
const ARRIVALS: usize = 5;
/// What a slow body sends and a slow reader reads in a turn: a little more than the 240 bytes a second that are
/// the least by default.
const SIP: usize = 600;
/// Of a slow body; never reached.
const BODY: usize = 1_000_000;
/// Bytes of payload in a segment on Ethernet.
const SEGMENT: u32 = 1460;
/// Small, so that what is not read stays with the server.
const WINDOW: usize = 4096;
const GOOD: &[u8] = b"HTTP/1.1 200 ";
/// Connections from one address; the default limit is 500.
const OF_ONE_ADDRESS: usize = 250;

/// A way of being slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sends one more header field every two seconds.
    Head,
    /// Announces a megabyte and sends 300 bytes a second.
    Body,
    /// Asks for `/large` and reads 300 bytes a second.
    Reader,
    /// Has had one answer and asks for nothing more.
    Idle,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Head, Self::Body, Self::Reader, Self::Idle];

    fn opening(self) -> String {
        match self {
            Self::Head => "GET / HTTP/1.1\r\nHost: localhost\r\n".to_owned(),
            Self::Body => {
                format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {BODY}\r\n\r\n")
            }
            Self::Reader => "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            Self::Idle => "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        }
    }
}

/// The slow clients, until they are told to leave.
#[derive(Debug)]
pub struct Crowd {
    wanted: usize,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    leave: AtomicBool,
    /// By kind: connections on which the server waits for the client.
    settled: [AtomicUsize; 4],
    anew: AtomicU64,
}

impl Crowd {
    /// Sends so many of each kind, in the order of [`Kind::ALL`].
    pub fn gather(address: &str, counts: [usize; 4]) -> Self {
        let address = address.trim_start_matches("http://").parse();
        let address = address.expect("the server's address is HOST:PORT");
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        Self {
            wanted: counts.iter().sum(),
            shared,
            thread: std::thread::spawn(move || Driver::new(address, counts, &theirs).run()),
        }
    }

    /// Connections on which the server waits for the client now, by kind.
    pub fn settled(&self) -> [usize; 4] {
        std::array::from_fn(|kind| self.shared.settled[kind].load(Relaxed))
    }

    /// Waits until nearly all of them are there: those that were cut are on their way back.
    pub fn settle(&self, within: Duration) -> bool {
        let began = Instant::now();
        while self.settled().iter().sum::<usize>() < self.wanted - self.wanted / 50 {
            if began.elapsed() > within {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// All connections are closed. How many were made anew because the server had cut them.
    pub fn leave(self) -> u64 {
        self.shared.leave.store(true, Relaxed);
        self.thread.join().expect("the slow clients panicked");
        self.shared.anew.load(Relaxed)
    }
}

struct Driver<'a> {
    address: SocketAddr,
    clients: Vec<Client>,
    shared: &'a Shared,
}

struct Client {
    kind: Kind,
    from: Ipv4Addr,
    socket: Option<Socket>,
    asked: bool,
    settled: bool,
    /// The beginning of a good answer was read.
    answered: bool,
}

impl<'a> Driver<'a> {
    fn new(address: SocketAddr, counts: [usize; 4], shared: &'a Shared) -> Self {
        let kinds = Kind::ALL.into_iter().zip(counts);
        let kinds = kinds.flat_map(|(kind, count)| std::iter::repeat_n(kind, count));
        let client = |(number, kind)| {
            // 127.1.0.1 and on: nobody else's.
            let host = u16::try_from(number / OF_ONE_ADDRESS).unwrap_or(u16::MAX);
            let [high, low] = host.to_be_bytes();
            Client {
                kind,
                from: Ipv4Addr::new(127, 1 + high, low, 1),
                socket: None,
                asked: false,
                settled: false,
                answered: false,
            }
        };
        Self {
            address,
            clients: kinds.enumerate().map(client).collect(),
            shared,
        }
    }

    /// Whether this client, after its turn, still waits for what it asked.
    fn is_waiting(&mut self, index: usize) -> bool {
        let client = &mut self.clients[index];
        client.take_turn(self.address, self.shared);
        !client.settled
    }

    fn run(mut self) {
        let count = self.clients.len();
        let ticks = (ROUND.as_millis() / TICK.as_millis()) as usize;
        let turn = count.div_ceil(ticks);
        // Kinds arrive mixed: each step is about a fourth of the whole away from the last.
        let quarter = count.div_ceil(4);
        let order: Vec<usize> = (0..4 * quarter)
            .map(|n| n % 4 * quarter + n / 4)
            .filter(|n| *n < count)
            .collect();
        let (mut arrived, mut next) = (0, 0);
        let mut waiting = Vec::new();
        let mut due = Instant::now();
        while !self.shared.leave.load(Relaxed) {
            waiting.retain(|index| self.is_waiting(*index));
            let arriving = ARRIVALS.min(order.len() - arrived);
            for index in &order[arrived..arrived + arriving] {
                if waiting.len() == WAITING {
                    break;
                }
                if self.is_waiting(*index) {
                    waiting.push(*index);
                }
                arrived += 1;
            }
            for _ in 0..turn.min(arrived) {
                let index = order[next % arrived];
                self.clients[index].take_turn(self.address, self.shared);
                next += 1;
            }
            due += TICK;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            // On a busy machine turns are made up for, or a thousand a second would be ten.
            due = due.max(Instant::now() - DEBT);
        }
    }
}

impl Client {
    fn take_turn(&mut self, address: SocketAddr, shared: &Shared) {
        let outcome = match &self.socket {
            None => self.connect(address),
            Some(_) if !self.asked => self.open(),
            Some(_) => self.dawdle(),
        };
        let outcome = match outcome {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                // Cut, or not let in: come again.
                self.asked = false;
                shared.anew.fetch_add(1, Relaxed);
                self.connect(address)
            }
            outcome => outcome,
        };
        let settled = matches!(outcome, Ok(true));
        if settled != self.settled {
            let count = &shared.settled[self.kind as usize];
            if settled {
                count.fetch_add(1, Relaxed);
            } else {
                count.fetch_sub(1, Relaxed);
            }
            self.settled = settled;
        }
    }

    fn connect(&mut self, address: SocketAddr) -> std::io::Result<bool> {
        self.socket = None;
        self.answered = false;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_mss(SEGMENT)?;
        if self.kind == Kind::Reader {
            socket.set_recv_buffer_size(WINDOW)?;
        }
        socket.bind(&SocketAddr::from((self.from, 0)).into())?;
        match socket.connect(&address.into()) {
            // EINPROGRESS has no kind of its own.
            Err(error)
                if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
            {
                return Err(error);
            }
            _ => {}
        }
        self.socket = Some(socket);
        self.open()
    }

    fn open(&mut self) -> std::io::Result<bool> {
        let Some(socket) = &mut self.socket else {
            return Ok(false);
        };
        match socket.write(self.kind.opening().as_bytes()) {
            Ok(_) => {
                self.asked = true;
                return Ok(matches!(self.kind, Kind::Head | Kind::Body));
            }
            // Not connected yet.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(false)
    }

    /// Whether the server waits for us now.
    fn dawdle(&mut self) -> std::io::Result<bool> {
        let Some(socket) = &mut self.socket else {
            return Ok(false);
        };
        match self.kind {
            Kind::Head => socket.write(b"X-Slow: y\r\n")?,
            Kind::Body => socket.write(&[b'x'; SIP])?,
            Kind::Reader | Kind::Idle => 0,
        };
        let mut taken = [0; SIP];
        match (self.kind, socket.read(&mut taken)) {
            (_, Ok(0)) => Err(ErrorKind::UnexpectedEof.into()),
            // An answer while we are still asking: it will be cut.
            (Kind::Head | Kind::Body, Ok(_)) => Err(ErrorKind::ConnectionAborted.into()),
            (Kind::Head | Kind::Body, Err(error)) if error.kind() == ErrorKind::WouldBlock => {
                Ok(true)
            }
            (Kind::Reader | Kind::Idle, Ok(_)) if !self.answered && !taken.starts_with(GOOD) => {
                Err(ErrorKind::InvalidData.into())
            }
            (Kind::Reader | Kind::Idle, Ok(_)) => {
                self.answered = true;
                Ok(true)
            }
            (Kind::Reader | Kind::Idle, Err(error)) if error.kind() == ErrorKind::WouldBlock => {
                Ok(self.answered)
            }
            (_, Err(error)) => Err(error),
        }
    }
}
