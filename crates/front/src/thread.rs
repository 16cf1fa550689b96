//! One thread of the front: its own runtime, its connections, and what they share without locks.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hotclub_app::Buffers;
use slab::Slab;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::access_log::LogBuffer;
use crate::addresses::Guest;
use crate::clock::Clock;
use crate::compress::Encoders;
use crate::conn;
use crate::front::Shared;
use crate::limits::Limits;
use crate::listen::{self, Accepted, Listener};
use crate::observer::Connections;
use crate::proxy::{self, Pools};
use crate::request::{Request, Scheme};
use crate::request_id::IdSource;
use crate::socket::{Phase, Socket};
use crate::sys;
use crate::table::Table;
use crate::tls::session::{Bench, Session};

/// How often the sweeper looks at the deadlines, while there are connections.
const SWEEP: Duration = Duration::from_millis(250);
/// Connections after whose end memory is given back to the system.
const MANY: usize = 1000;
/// What a connection that has not asked yet gets when the front drains.
pub(crate) const LAST_CHANCE: Duration = Duration::from_secs(1);
const BUFFER: usize = 16 * 1024;
const POOLED: usize = 128;

/// What the front tells its threads.
#[derive(Debug)]
pub(crate) enum Command {
    /// Answered once the thread watches the listener.
    Accept(Arc<Listener>, std::sync::mpsc::Sender<()>),
    StopAccepting,
    /// A connection that another thread accepted.
    Take(Accepted),
    /// Looks after what the table wants looked after.
    Tend(Arc<Table>),
    Drain {
        deadline: Instant,
        done: oneshot::Sender<()>,
    },
    /// How many connections there are, by what they are doing.
    Count(oneshot::Sender<Connections>),
    Kill,
}

/// What the connections of one thread share.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: Clock,
    pub(crate) ids: IdSource,
    pub(crate) log: Option<LogBuffer>,
    pub(crate) pools: Rc<Pools>,
    pub(crate) encoders: Encoders,
    sockets: RefCell<Slab<Rc<Socket>>>,
    came: Notify,
    went: Notify,
    buffers: RefCell<Vec<Vec<u8>>>,
    requests: RefCell<Vec<Request>>,
    bench: Bench,
    this: Weak<Self>,
}

impl Thread {
    /// `this`: where it will be.
    pub(crate) fn new(index: usize, shared: Arc<Shared>, this: Weak<Self>) -> Self {
        Self {
            index,
            this,
            clock: Clock::default(),
            ids: IdSource::new(),
            pools: Rc::default(),
            encoders: Encoders::default(),
            log: shared.log.as_ref().map(LogBuffer::new),
            shared,
            sockets: RefCell::default(),
            came: Notify::new(),
            went: Notify::new(),
            buffers: RefCell::default(),
            requests: RefCell::default(),
            bench: Bench::default(),
        }
    }

    /// For work that goes on when the connection it came by has ended.
    pub(crate) fn this(&self) -> Option<Rc<Self>> {
        self.this.upgrade()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn buffers(&self) -> &Arc<Buffers> {
        &self.shared.buffers
    }

    /// No further request is wanted on any connection.
    pub(crate) fn draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }

    /// How long a new connection may take to send its first byte.
    pub(crate) fn first_wait(&self) -> Duration {
        if self.draining() {
            LAST_CHANCE
        } else {
            self.limits().head_time
        }
    }

    pub(crate) fn take_buffer(&self) -> Vec<u8> {
        let pooled = self.buffers.borrow_mut().pop();
        pooled.unwrap_or_else(|| Vec::with_capacity(BUFFER))
    }

    pub(crate) fn give_buffer(&self, mut buffer: Vec<u8>) {
        let mut buffers = self.buffers.borrow_mut();
        if buffers.len() < POOLED && buffer.capacity() <= 2 * BUFFER {
            buffer.clear();
            buffers.push(buffer);
        }
    }

    pub(crate) fn take_request(&self) -> Request {
        self.requests.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_request(&self, mut request: Request) {
        let mut requests = self.requests.borrow_mut();
        if requests.len() < POOLED && request.fields.held() <= BUFFER {
            request.clear();
            requests.push(request);
        }
    }

    /// Starts to serve a connection.
    pub(crate) fn serve(self: &Rc<Self>, accepted: Accepted) {
        let Accepted { fd, ends, guest } = accepted;
        let socket = match self.socket(fd, ends.scheme) {
            Ok(socket) => Rc::new(socket),
            Err(error) => {
                tracing::error!(%error, "a connection cannot be watched");
                self.shared.loads[self.index].leave();
                return;
            }
        };
        let seat = Seat {
            thread: Rc::clone(self),
            key: self.sockets.borrow_mut().insert(Rc::clone(&socket)),
            _guest: guest,
        };
        self.came.notify_one();
        tokio::task::spawn_local(async move {
            let thread = &seat.thread;
            conn::serve(thread, &socket, ends).await;
        });
    }

    fn socket(&self, fd: OwnedFd, scheme: Scheme) -> io::Result<Socket> {
        let session = match scheme {
            Scheme::Http => None,
            Scheme::Https => {
                let session = Session::new(&self.shared.tls, &self.bench);
                Some(session.map_err(io::Error::other)?)
            }
        };
        Socket::new(fd, session)
    }

    /// Ends connections whose peer was too slow.
    async fn sweep(self: Rc<Self>) {
        let mut most = 0;
        loop {
            while self.sockets.borrow().is_empty() {
                self.came.notified().await;
            }
            tokio::time::sleep(SWEEP).await;
            let now = Instant::now();
            for (_, socket) in self.sockets.borrow().iter() {
                socket.expire_at(now);
            }
            let count = self.sockets.borrow().len();
            most = count.max(most);
            if most >= MANY && count < most / 4 {
                most = count;
                sys::give_back_memory();
            }
        }
    }

    fn connections(&self) -> Connections {
        let mut connections = Connections::default();
        for (_, socket) in self.sockets.borrow().iter() {
            match socket.phase() {
                Phase::Fresh => connections.fresh += 1,
                Phase::Idle => connections.idle += 1,
                Phase::Busy => connections.busy += 1,
                Phase::Shared => connections.http2 += 1,
            }
        }
        connections
    }

    async fn drain(self: Rc<Self>, deadline: Instant, done: oneshot::Sender<()>) {
        let last = Instant::now() + LAST_CHANCE;
        for (_, socket) in self.sockets.borrow().iter() {
            match socket.phase() {
                Phase::Idle => socket.stop_reading(),
                Phase::Fresh => {
                    let sooner = socket.deadline().map_or(last, |at| at.min(last));
                    socket.set_deadline(Some(sooner));
                }
                Phase::Shared => socket.dismiss(),
                Phase::Busy => {}
            }
        }
        let empty = async {
            while !self.sockets.borrow().is_empty() {
                self.went.notified().await;
            }
        };
        if tokio::time::timeout_at(deadline.into(), empty)
            .await
            .is_err()
        {
            for (_, socket) in self.sockets.borrow().iter() {
                socket.cut();
            }
        }
        // The receiver may have given up.
        let _ = done.send(());
    }
}

/// A connection's place among the thread's. Dropped with the connection's task, also when that panics.
struct Seat {
    thread: Rc<Thread>,
    key: usize,
    _guest: Guest,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.thread.sockets.borrow_mut().remove(self.key);
        self.thread.shared.loads[self.thread.index].leave();
        self.thread.went.notify_one();
    }
}

/// The thread's life: obeys commands until it is killed or the front is gone.
pub(crate) async fn run(thread: Rc<Thread>, mut commands: mpsc::UnboundedReceiver<Command>) {
    tokio::task::spawn_local(Rc::clone(&thread).sweep());
    if thread.log.is_some() {
        let thread = Rc::clone(&thread);
        tokio::task::spawn_local(async move {
            if let Some(log) = &thread.log {
                log.flush_when_due().await;
            }
        });
    }
    let mut acceptors = Vec::new();
    while let Some(command) = commands.recv().await {
        match command {
            Command::Accept(listener, done) => {
                match listen::watch(&listener) {
                    Ok(watched) => {
                        let task = listen::accept(Rc::clone(&thread), listener, watched);
                        acceptors.push(tokio::task::spawn_local(task));
                    }
                    Err(error) => {
                        tracing::error!(%error, address = %listener.address(), "cannot listen");
                    }
                }
                drop(done);
            }
            Command::StopAccepting => {
                for acceptor in acceptors.drain(..) {
                    acceptor.abort();
                }
            }
            Command::Tend(table) => table.proxies().for_each(proxy::keep_checking),
            Command::Take(accepted) => thread.serve(accepted),
            Command::Drain { deadline, done } => {
                tokio::task::spawn_local(Rc::clone(&thread).drain(deadline, done));
            }
            // Whoever asked may have lost patience.
            Command::Count(tell) => drop(tell.send(thread.connections())),
            Command::Kill => break,
        }
    }
    if let Some(log) = &thread.log {
        log.flush();
    }
}
