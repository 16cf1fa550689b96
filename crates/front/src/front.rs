//! The front as a whole: its threads, and what the program can tell them.

use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use hotclub_app::Buffers;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};

use crate::access_log::AccessLog;
use crate::addresses::Addresses;
use crate::cache;
use crate::counts::Registry;
use crate::limits::Limits;
use crate::listen::{Accepted, Address, Listener};
use crate::observer::Observer;
use crate::table::Table;
use crate::tally::Tally;
use crate::thread::{self, Command, Thread};
use crate::tls::{Keyring, Tls};
use crate::trust::TrustedProxies;

/// What a front is started with.
#[derive(Debug)]
pub struct Options {
    /// Threads, at least 1; each is one lane of every generation.
    pub threads: usize,
    pub limits: Limits,
    pub trusted: TrustedProxies,
    /// Whether HTTP/2 is spoken without TLS, too, with clients that begin with it.
    pub h2c: bool,
    /// Whether every connection begins with a header of the PROXY protocol, of a trusted proxy.
    pub proxy_protocol: bool,
    pub log: Option<AccessLog>,
    /// What bodies may take while they wait; the apps' answers count there, too.
    pub buffers: Arc<Buffers>,
}

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) table: ArcSwap<Table>,
    pub(crate) tls: Tls,
    pub(crate) limits: Limits,
    pub(crate) trusted: TrustedProxies,
    pub(crate) h2c: bool,
    pub(crate) proxy_protocol: bool,
    /// Connections without a good PROXY header, told once a second.
    pub(crate) headless: Tally,
    pub(crate) log: Option<AccessLog>,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) addresses: Addresses,
    /// Requests turned away because their queue was full, told once a second.
    pub(crate) turned_away: Tally,
    pub(crate) counts: Registry,
    pub(crate) caches: cache::Registry,
    /// Connections of HTTP/2 whose clients kept us busy with nothing, told once a second.
    pub(crate) calmed: Tally,
    pub(crate) loads: Vec<Load>,
    /// Answers from now on end their connections.
    pub(crate) draining: AtomicBool,
    /// Who we are in `Via`: nobody else is called so, which shows loops.
    pub(crate) via: String,
    commands: Vec<mpsc::UnboundedSender<Command>>,
}

/// How many connections a thread has.
#[derive(Debug, Default)]
pub(crate) struct Load(AtomicUsize);

impl Load {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    pub(crate) fn commands(&self) -> &[mpsc::UnboundedSender<Command>] {
        &self.commands
    }

    pub(crate) fn connections(&self) -> usize {
        self.loads.iter().map(Load::count).sum()
    }

    /// Gives a connection to the thread that has the fewest, `own` if it is one of them.
    pub(crate) fn place(&self, own: &Rc<Thread>, accepted: Accepted) {
        let mut best = own.index;
        for (index, load) in self.loads.iter().enumerate() {
            if load.count() < self.loads[best].count() {
                best = index;
            }
        }
        self.loads[best].0.fetch_add(1, Ordering::Relaxed);
        if best == own.index {
            own.serve(accepted);
        } else if self.commands[best].send(Command::Take(accepted)).is_err() {
            self.loads[best].leave();
        }
    }
}

/// A running front. Dropping it kills it.
#[derive(Debug)]
pub struct Front {
    shared: Arc<Shared>,
    runtimes: Vec<Handle>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Front {
    /// Starts the threads. Nothing is accepted before [`Front::accept`], so that the table can be made
    /// with lanes that live on [`Front::runtimes`].
    ///
    /// # Errors
    /// When a thread or its runtime cannot be made.
    pub fn start(options: Options) -> io::Result<Self> {
        let count = options.threads.max(1);
        let (commands, receivers): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::unbounded_channel()).unzip();
        let shared = Arc::new(Shared {
            table: ArcSwap::from_pointee(Table::default()),
            tls: Tls::new().map_err(io::Error::other)?,
            limits: options.limits,
            trusted: options.trusted,
            h2c: options.h2c,
            proxy_protocol: options.proxy_protocol,
            headless: Tally::default(),
            log: options.log,
            addresses: Addresses::new(options.limits.connections_per_address),
            buffers: options.buffers,
            turned_away: Tally::default(),
            counts: Registry::new(count),
            caches: cache::Registry::default(),
            calmed: Tally::default(),
            loads: (0..count).map(|_| Load::default()).collect(),
            draining: AtomicBool::new(false),
            via: pseudonym(),
            commands,
        });
        let mut front = Self {
            shared,
            runtimes: Vec::with_capacity(count),
            threads: Vec::with_capacity(count),
        };
        for (index, commands) in receivers.into_iter().enumerate() {
            front.start_thread(index, commands)?;
        }
        Ok(front)
    }

    fn start_thread(
        &mut self,
        index: usize,
        commands: mpsc::UnboundedReceiver<Command>,
    ) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let body = move || {
            let made = Builder::new_current_thread()
                .enable_all()
                .build_local(Default::default());
            let runtime = match made {
                Ok(runtime) => runtime,
                Err(error) => return drop(tell.send(Err(error))),
            };
            // Whoever started us waits for this.
            let _ = tell.send(Ok(runtime.handle().clone()));
            let thread = Rc::new_cyclic(|this| Thread::new(index, shared, Weak::clone(this)));
            runtime.block_on(thread::run(thread, commands));
        };
        let name = format!("front-{index}");
        self.threads
            .push(std::thread::Builder::new().name(name).spawn(body)?);
        let handle = told.recv().map_err(io::Error::other)??;
        self.runtimes.push(handle);
        Ok(())
    }

    /// The runtimes of the threads, in the order of the lanes.
    #[must_use]
    pub fn runtimes(&self) -> &[Handle] {
        &self.runtimes
    }

    /// Accepts connections from one more socket, on all threads. The caller may keep a clone of the
    /// `Arc`, to hand the socket on to a successor.
    /// Returns when every thread watches it.
    pub fn accept(&self, listener: &Arc<Listener>) {
        if let (true, Address::Tcp(address)) = (listener.is_https(), listener.address()) {
            self.shared.tls.set_port(address.port());
        }
        let (done, all_done) = std::sync::mpsc::channel();
        self.tell(|| Command::Accept(Arc::clone(listener), done.clone()));
        drop(done);
        // Nothing is ever sent: the wait ends when the last thread has dropped its sender.
        let _ = all_done.recv();
    }

    /// Lets requests that come from now on find other sites. Those under way keep what they have.
    pub fn swap(&self, table: Arc<Table>) {
        table.count_in(&self.shared.counts, &self.shared.caches);
        if table.proxies().next().is_some()
            && let Some(first) = self.shared.commands.first()
        {
            // A thread that is gone has nothing to look after.
            let _ = first.send(Command::Tend(Arc::clone(&table)));
        }
        self.shared.table.store(table);
    }

    /// The table that requests find now.
    #[must_use]
    pub fn table(&self) -> Arc<Table> {
        self.shared.table.load_full()
    }

    /// Where certificates are put, for whoever gets them.
    #[must_use]
    pub fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.shared.tls.keyring)
    }

    /// Leaves new connections in the backlog of the listeners, and lets go of these.
    pub fn stop_accepting(&self) {
        self.tell(|| Command::StopAccepting);
    }

    /// Every answer from now on ends its connection. Those who wait for a request go on waiting, until
    /// [`Front::drain`].
    pub fn dismiss(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
    }

    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// A look from elsewhere.
    #[must_use]
    pub fn observer(&self) -> Observer {
        Observer::new(&self.shared)
    }

    /// Opens the access log's file anew, after it was moved away.
    pub fn reopen_log(&self) {
        if let Some(log) = &self.shared.log {
            log.reopen();
        }
    }

    /// Ends idle connections, finishes requests under way, and cuts what is left at `deadline`.
    /// Returns when no connection is left. Call [`Front::stop_accepting`] first.
    pub async fn drain(&self, deadline: Instant) {
        self.shared.draining.store(true, Ordering::Relaxed);
        let mut waits = Vec::new();
        for commands in &self.shared.commands {
            let (done, wait) = oneshot::channel();
            if commands.send(Command::Drain { deadline, done }).is_ok() {
                waits.push(wait);
            }
        }
        for wait in waits {
            // A thread that was killed has nothing left to drain.
            let _ = wait.await;
        }
    }

    /// Ends everything at once and waits for the threads.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.tell(|| Command::Kill);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the front had panicked");
            }
        }
        if let Some(log) = &self.shared.log {
            log.finish();
        }
        self.shared.table.load().finish_logs();
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for commands in &self.shared.commands {
            // A thread that is gone need not be told.
            let _ = commands.send(command());
        }
    }
}

/// `hotclub-` and 64 random bits.
fn pseudonym() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    format!("hotclub-{:016x}", RandomState::new().hash_one(0))
}

impl Drop for Front {
    fn drop(&mut self) {
        self.end();
    }
}
