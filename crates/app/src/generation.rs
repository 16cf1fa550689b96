//! One load of one release's code: a fork server, its workers, their queue.
//!
//! One task owns all of it; others hold a [`Generation`] and talk to the task.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

use crate::board::Board;
use crate::buffers::Buffers;
use crate::control::{Load, Loaded, Report, TuneOrder};
use crate::counts::Counts;
use crate::crew::{Crew, Policy};
use crate::death::Deaths;
use crate::fork_server::{ForkServer, Launch, StartError};
use crate::lane::{Lane, Limits};
use crate::lanes::{Lanes, Making, Place};
use crate::nursery::Nursery;
use crate::owner::{Owner, Request};
use crate::queue;
use crate::view::View;

/// Messages in flight for each worker thread: deep enough that a worker finds its next request
/// without sleeping, shallow enough that the kernel's buffer (about 90 messages) never fills.
const DEPTH_PER_SLOT: usize = 8;
const DEPTH_MAX: usize = 64;

/// All that a generation is started from.
#[derive(Clone, Debug)]
pub struct Spec {
    pub launch: Launch,
    /// `module:attribute`.
    pub app: String,
    pub chdir: PathBuf,
    pub pythonpath: Vec<PathBuf>,
    /// Import the app before forking.
    pub preload: bool,
    /// Django settings to override once they are loaded.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// What Django is told where its settings say nothing.
    pub tune: Tune,
    pub surroundings: Surroundings,
    pub import_timeout: Duration,
    pub queue_timeout: Duration,
    pub max_waiting: usize,
    /// Per request; `None` for no limit.
    pub timeout: Option<Duration>,
    /// The account of the bodies that wait for slow clients, the front's and every generation's.
    pub buffers: Arc<Buffers>,
    /// What happens to every generation of the app is counted here.
    pub counts: Arc<Counts>,
    pub policy: Policy,
}

/// Which of Django's settings may be improved on (docs/tuning.md).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tune {
    pub persistent_connections: bool,
    pub cached_templates: bool,
    pub gc: bool,
    pub idle_gzip: bool,
    pub idle_whitenoise: bool,
    pub shared_cache: bool,
}

/// What tuning has to know of the site's surroundings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Surroundings {
    /// The front compresses whatever can be.
    pub compresses: bool,
    /// STATIC_URL, where the front serves all that lies there.
    pub static_url: Option<String>,
    /// A folder that is the app's own, for a cache that its processes share.
    pub shared_folder: Option<PathBuf>,
}

impl Tune {
    /// Nothing is touched.
    pub const OFF: Self = Self {
        persistent_connections: false,
        cached_templates: false,
        gc: false,
        idle_gzip: false,
        idle_whitenoise: false,
        shared_cache: false,
    };
}

/// What can be seen of a generation from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Workers that pull from the queue.
    pub serving: usize,
    pub gone: bool,
}

/// A running generation.
#[derive(Debug)]
pub struct Generation {
    lanes: Lanes,
    board: Arc<Board>,
    loaded: Loaded,
    python: String,
    requests: mpsc::UnboundedSender<Request>,
    status: watch::Receiver<Status>,
    threads: usize,
}

impl Generation {
    /// Starts the fork server, has the app imported and waits until every worker pulls from the queue.
    /// `place` is where its lanes are made.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running then.
    pub async fn start(spec: Spec, place: &Place) -> Result<Self, StartError> {
        let policy = Policy {
            lanes: place.lanes(),
            ..spec.policy
        };
        let places = (policy.workers * 2 + 2).max(16);
        let slots = places * policy.threads;
        let board = match &spec.launch.contained {
            None => Board::new(slots),
            Some(_) => Board::contained(slots),
        };
        let board = Arc::new(board.map_err(std::io::Error::from)?);
        let (front_end, workers_end) = queue::pair().map_err(std::io::Error::from)?;

        let mut fork_server = ForkServer::start(&spec.launch).await?;
        let python = fork_server.python.clone();
        let outside = fork_server.outside;
        let files = [workers_end.as_fd(), board.file().as_fd()];
        let load = load(&spec, place.lanes(), slots);
        let loaded = fork_server
            .load(load.clone(), files, spec.import_timeout)
            .await?;

        let (events, lane_events) = mpsc::unbounded_channel();
        let limits = Limits {
            depth: depth(policy) / place.lanes().max(1),
            max_waiting: spec.max_waiting.div_ceil(place.lanes().max(1)),
            queue_timeout: spec.queue_timeout,
            timeout: spec.timeout,
        };
        let lanes = place.make(Making {
            board: Arc::clone(&board),
            buffers: Arc::clone(&spec.buffers),
            counts: Arc::clone(&spec.counts),
            limits,
            events,
            queue: front_end,
        })?;

        let (requests, orders) = mpsc::unbounded_channel();
        let (status_sender, status) = watch::channel(Status::default());
        let (ready_sender, ready) = oneshot::channel();
        let owner = Owner {
            nursery: Nursery::new(
                fork_server,
                spec.launch.clone(),
                load,
                workers_end,
                spec.import_timeout,
            ),
            crew: Crew::new(policy, places, crate::board::monotonic_now() | 1),
            policy,
            board: Arc::clone(&board),
            lanes: lanes.clone(),
            pids: vec![None; places],
            told: vec![None; places],
            lane_events,
            requests: orders,
            status: status_sender,
            ready: Some(ready_sender),
            load_failure: None,
            deaths: Deaths::new(places, Arc::clone(&spec.counts), outside),
            counts: spec.counts,
            doubtful: Vec::new(),
            sampled: std::time::Instant::now(),
        };
        tokio::spawn(owner.run());
        ready.await.map_err(|_| StartError::Workers(None))??;
        Ok(Self {
            lanes,
            board,
            loaded,
            python,
            requests,
            status,
            threads: policy.threads,
        })
    }

    /// The lanes of this process, one for each front thread, in the order of the runtimes given to `start`.
    #[must_use]
    pub fn lanes(&self) -> Vec<Lane> {
        self.lanes.here()
    }

    /// What the process that has its lanes calls it; `None` when that is ours.
    #[must_use]
    pub fn away(&self) -> Option<u64> {
        match &self.lanes {
            Lanes::Here(_) => None,
            Lanes::Away(away) => Some(away.generation()),
        }
    }

    /// What importing the app told.
    #[must_use]
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// The interpreter's version, e.g. `3.11.2`.
    #[must_use]
    pub fn python(&self) -> &str {
        &self.python
    }

    #[must_use]
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// A look from elsewhere, which keeps nothing running.
    #[must_use]
    pub fn view(&self) -> View {
        View {
            lanes: self.lanes.clone(),
            board: Arc::clone(&self.board),
            threads: self.threads,
            owner: self.requests.downgrade(),
        }
    }

    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Changes the number of workers.
    pub fn set_workers(&self, workers: usize) {
        // The owner is gone only when the generation is.
        let _ = self.requests.send(Request::SetWorkers(workers));
    }

    /// Finishes what is queued, lets the workers leave, and returns when they are gone. After
    /// `deadline` they are killed; whether that was needed is returned.
    pub async fn drain(self, deadline: Duration) -> bool {
        self.drain_unless(deadline, std::future::pending()).await
    }

    /// As [`Generation::drain`], but kills what is left as soon as `hurry` is over.
    pub async fn drain_unless(
        mut self,
        deadline: Duration,
        hurry: impl Future<Output = ()>,
    ) -> bool {
        let _ = self.requests.send(Request::Drain);
        let closed = async {
            self.lanes.close().await;
            self.gone().await;
        };
        tokio::select! {
            () = closed => return false,
            () = tokio::time::sleep(deadline) => {}
            () = hurry => {}
        }
        self.kill().await;
        true
    }

    /// Ends everything at once.
    pub async fn kill(&mut self) {
        self.lanes.abort();
        let _ = self.requests.send(Request::Kill);
        self.gone().await;
    }

    /// Returns when nothing of it is left, because it was ended or because it fell.
    pub async fn gone(&self) {
        let mut status = self.status.clone();
        // An error means that the owner is gone, and with it the generation.
        let _ = status.wait_for(|status| status.gone).await;
    }
}

fn depth(policy: Policy) -> usize {
    (policy.workers * policy.threads * DEPTH_PER_SLOT).clamp(2, DEPTH_MAX)
}

fn load(spec: &Spec, lanes: usize, slots: usize) -> Load {
    Load {
        app: spec.app.clone(),
        chdir: spec.chdir.clone(),
        pythonpath: spec.pythonpath.clone(),
        threads: spec.policy.threads,
        lanes,
        slots,
        preload: spec.preload,
        settings: spec.settings.clone(),
        tune: (spec.tune != Tune::OFF).then_some(TuneOrder {
            parts: spec.tune,
            surroundings: spec.surroundings.clone(),
            workers: spec.policy.workers,
            threads: spec.policy.threads,
        }),
        mode: "wsgi",
        server_software: concat!("hotclub/", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

/// A reply stream: the front's end and the worker's end.
pub(crate) fn reply_pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
}

/// The place of a slot.
pub(crate) fn place_of(report: &Report, threads: usize) -> Option<usize> {
    match report {
        Report::Forked { slot, .. }
        | Report::Ready { slot, .. }
        | Report::Exited { slot, .. }
        | Report::Failed {
            slot: Some(slot), ..
        } => Some(slot / threads),
        _ => None,
    }
}
