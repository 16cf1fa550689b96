//! What the program tells Prometheus, and where: on an address of its own, which only this machine reaches.
//!
//! Nothing here is asked by a request. Counters are kept where things happen (`front::counts`, `app::counts`);
//! all else is looked up when somebody asks. docs/operating.md says what each of them means.

mod exposition;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hotclub_app::{Buffers, Counts, Memory, Restart, View, WorkerView};
use hotclub_config::Local;
use hotclub_front::{Address, CacheStats, Connections, Observer, SiteTotals, scrape};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::console::Failure;
use crate::listeners::Listeners;
use exposition::{Exposition, Kind};

/// A thread of the front that does not answer by then is stuck, and its connections are left out.
const PATIENCE: Duration = Duration::from_secs(2);

/// One site's app, as far as it is measured.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) site: String,
    pub(crate) counts: Arc<Counts>,
    pub(crate) reloads: Arc<Reloads>,
    /// The generation that serves.
    pub(crate) view: watch::Receiver<View>,
}

#[derive(Debug, Default)]
pub(crate) struct Reloads {
    done: AtomicU64,
    failed: AtomicU64,
}

impl Reloads {
    pub(crate) fn add(&self, done: bool) {
        let count = if done { &self.done } else { &self.failed };
        count.fetch_add(1, Relaxed);
    }
}

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub(crate) front: Observer,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) apps: Vec<App>,
    pub(crate) started: SystemTime,
}

/// The socket where metrics are told, and the task that tells them. Both end when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Exposed {
    listeners: Listeners,
    tasks: JoinSet<()>,
}

/// Opens the socket, so that an address that is taken is found out first.
pub(crate) fn open(address: Option<&Local>) -> Result<Listeners, Failure> {
    let addresses: Vec<_> = address.map(Local::listen).into_iter().cloned().collect();
    Listeners::open(&addresses, "--metrics")
}

/// Where a person or Prometheus finds them.
pub(crate) fn url(listeners: &Listeners) -> Option<String> {
    listeners
        .iter()
        .next()
        .map(|listener| match listener.address() {
            Address::Tcp(address) => format!("http://{address}/metrics"),
            Address::Unix(path) => format!("unix:{}", path.display()),
        })
}

impl Exposed {
    /// Begins to answer.
    pub(crate) fn start(listeners: Listeners, sources: &Sources) -> Self {
        let mut tasks = JoinSet::new();
        for listener in listeners.iter() {
            let (listener, sources) = (Arc::clone(listener), sources.clone());
            tasks.spawn(async move {
                let text = move || text(sources.clone());
                if let Err(error) = scrape::serve(listener, text).await {
                    tracing::error!(%error, "metrics cannot be told");
                }
            });
        }
        Self { listeners, tasks }
    }

    pub(crate) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Another program answers from here on, on the same socket.
    pub(crate) fn hand_over(&mut self) {
        self.tasks.abort_all();
        self.listeners.keep_paths();
    }
}

/// All of it.
async fn text(sources: Sources) -> String {
    let connections = tokio::time::timeout(PATIENCE, sources.front.connections()).await;
    let connections = connections.unwrap_or_default();
    // The kernel takes milliseconds to add up what a process shares with others.
    let composed = tokio::task::spawn_blocking(move || compose(&sources, connections)).await;
    composed.unwrap_or_default()
}

fn compose(sources: &Sources, connections: Connections) -> String {
    let mut text = Exposition::default();
    requests(&mut text, &sources.front.sites());
    caches(&mut text, &sources.front.caches());
    let apps: Vec<_> = sources.apps.iter().map(Snapshot::of).collect();
    queues_and_workers(&mut text, &apps);
    restarts(&mut text, &sources.apps);
    visitors(&mut text, sources, connections);
    program(&mut text, sources.started);
    text.into_text()
}

fn requests(text: &mut Exposition, sites: &[(String, SiteTotals)]) {
    let help =
        "Requests that were answered, by site and status; those of no site have an empty one.";
    let mut family = text.family("hotclub_requests_total", Kind::Counter, help);
    for (site, totals) in sites {
        for (code, count) in &totals.statuses {
            family.sample(&[("site", site), ("code", &code.to_string())], count);
        }
    }
    // What belongs to no site never comes to an app.
    let sites = || sites.iter().filter(|(site, _)| !site.is_empty());
    let help = "From the front's hands to a worker's.";
    let mut family = text.family("hotclub_queue_seconds", Kind::Histogram, help);
    for (site, totals) in sites() {
        family.distribution(&[("site", site)], &totals.queue);
    }
    let help = "From a worker's hands to the head of its answer, or to the deadline.";
    let mut family = text.family("hotclub_app_seconds", Kind::Histogram, help);
    for (site, totals) in sites() {
        family.distribution(&[("site", site)], &totals.app);
    }
}

fn caches(text: &mut Exposition, sites: &[(String, CacheStats)]) {
    let help = "Requests that came to the cache, by what came of them.";
    let mut family = text.family("hotclub_cache_requests_total", Kind::Counter, help);
    for (site, stats) in sites {
        for (result, count) in [
            ("hit", stats.hits),
            ("stale", stats.stale),
            ("collapsed", stats.collapsed),
            ("app-failed", stats.stood_in),
            ("miss", stats.misses),
        ] {
            family.sample(&[("site", site), ("result", result)], count);
        }
    }
    let help = "Answers that came into the cache, and those that left it before their time.";
    let mut family = text.family("hotclub_cache_answers_total", Kind::Counter, help);
    for (site, stats) in sites {
        for (event, count) in [
            ("stored", stats.stored),
            ("confirmed", stats.confirmed),
            ("invalidated", stats.invalidated),
            ("purged", stats.purged),
        ] {
            family.sample(&[("site", site), ("event", event)], count);
        }
    }
    let help = "Answers that are kept now.";
    let mut family = text.family("hotclub_cache_entries", Kind::Gauge, help);
    for (site, stats) in sites {
        family.sample(&[("site", site)], stats.answers);
    }
    let help = "What the answers that are kept take.";
    let mut family = text.family("hotclub_cache_bytes", Kind::Gauge, help);
    for (site, stats) in sites {
        family.sample(&[("site", site), ("in", "memory")], stats.memory);
        family.sample(&[("site", site), ("in", "files")], stats.disk);
    }
}

/// One app at one moment.
struct Snapshot<'a> {
    site: &'a str,
    threads: usize,
    queued: usize,
    workers: Vec<(WorkerView, Memory)>,
}

impl<'a> Snapshot<'a> {
    fn of(app: &'a App) -> Self {
        let view = app.view.borrow().clone();
        let workers = view.workers();
        let (waiting, sent) = view.load();
        let in_hand: usize = workers.iter().map(|worker| worker.busy).sum();
        let measured = |worker: WorkerView| (worker, Memory::of(worker.pid));
        Self {
            site: &app.site,
            threads: view.threads(),
            queued: waiting + sent.saturating_sub(in_hand),
            workers: workers.into_iter().map(measured).collect(),
        }
    }

    /// Busy ones, and idle ones.
    fn workers(&self) -> (usize, usize) {
        let busy = self.workers.iter().filter(|(worker, _)| worker.busy > 0);
        let busy = busy.count();
        (busy, self.workers.len() - busy)
    }

    fn threads(&self) -> (usize, usize) {
        let busy: usize = self.workers.iter().map(|(worker, _)| worker.busy).sum();
        let all = self.workers.len() * self.threads;
        (busy, all.saturating_sub(busy))
    }
}

fn queues_and_workers(text: &mut Exposition, apps: &[Snapshot<'_>]) {
    let help = "Requests that no worker has taken yet.";
    let mut family = text.family("hotclub_queue_requests", Kind::Gauge, help);
    for app in apps {
        family.sample(&[("site", app.site)], app.queued);
    }
    let help = "Worker processes: busy with one request at least, or idle.";
    let mut family = text.family("hotclub_workers", Kind::Gauge, help);
    for app in apps {
        let (busy, idle) = app.workers();
        family.sample(&[("site", app.site), ("state", "busy")], busy);
        family.sample(&[("site", app.site), ("state", "idle")], idle);
    }
    let help = "Threads of all workers, each of which serves one request at a time.";
    let mut family = text.family("hotclub_worker_threads", Kind::Gauge, help);
    for app in apps {
        let (busy, idle) = app.threads();
        family.sample(&[("site", app.site), ("state", "busy")], busy);
        family.sample(&[("site", app.site), ("state", "idle")], idle);
    }
    type Part = fn(&Memory) -> Option<u64>;
    let parts: [(&str, &str, Part); 2] = [
        (
            "hotclub_worker_resident_bytes",
            "Memory of a worker, what it shares with others included.",
            |memory| memory.resident,
        ),
        (
            "hotclub_worker_proportional_bytes",
            "Memory of a worker, what it shares divided by those it shares it with.",
            |memory| memory.proportional,
        ),
    ];
    for (name, help, part) in parts {
        let mut family = text.family(name, Kind::Gauge, help);
        for app in apps {
            for (worker, memory) in &app.workers {
                if let Some(bytes) = part(memory) {
                    let place = worker.place.to_string();
                    family.sample(&[("site", app.site), ("worker", &place)], bytes);
                }
            }
        }
    }
}

fn restarts(text: &mut Exposition, apps: &[App]) {
    let help = "Workers that were replaced, by reason.";
    let mut family = text.family("hotclub_worker_restarts_total", Kind::Counter, help);
    for app in apps {
        for why in Restart::ALL {
            let labels = [("site", app.site.as_str()), ("reason", why.name())];
            family.sample(&labels, app.counts.restarts(why));
        }
    }
    let help = "New generations: done, or failed, which leaves the old one serving.";
    let mut family = text.family("hotclub_reloads_total", Kind::Counter, help);
    for app in apps {
        let reloads = &app.reloads;
        for (outcome, count) in [("done", &reloads.done), ("failed", &reloads.failed)] {
            let labels = [("site", app.site.as_str()), ("outcome", outcome)];
            family.sample(&labels, count.load(Relaxed));
        }
    }
    type Count = fn(&Counts) -> u64;
    let counts: [(&str, &str, Count); 3] = [
        (
            "hotclub_fork_server_restarts_total",
            "Fork servers that died and were replaced.",
            Counts::fork_servers,
        ),
        (
            "hotclub_requests_run_again_total",
            "GET, HEAD and OPTIONS that were run a second time because their worker died.",
            Counts::run_again,
        ),
        (
            "hotclub_requests_queued_again_total",
            "Requests that were queued again because their worker died before it began them.",
            Counts::queued_again,
        ),
    ];
    for (name, help, count) in counts {
        let mut family = text.family(name, Kind::Counter, help);
        for app in apps {
            family.sample(&[("site", &app.site)], count(&app.counts));
        }
    }
}

fn visitors(text: &mut Exposition, sources: &Sources, connections: Connections) {
    let help = "Open connections: fresh (no request yet), idle (between two), busy, or of HTTP/2.";
    text.family("hotclub_connections", Kind::Gauge, help)
        .sample(&[("state", "fresh")], connections.fresh)
        .sample(&[("state", "idle")], connections.idle)
        .sample(&[("state", "busy")], connections.busy)
        .sample(&[("state", "http2")], connections.http2);
    let help = "Connections closed at once because their address had too many.";
    text.family("hotclub_connections_refused_total", Kind::Counter, help)
        .sample(&[], sources.front.refused_by_address());
    let help = "Requests answered 503 because the queue was full, or for too long in it.";
    text.family("hotclub_requests_turned_away_total", Kind::Counter, help)
        .sample(&[], sources.front.turned_away());
    let usage = sources.buffers.usage();
    let help = "Bodies that wait for slow peers, in memory and in files.";
    text.family("hotclub_buffered_bytes", Kind::Gauge, help)
        .sample(&[("where", "memory")], usage.memory)
        .sample(&[("where", "file")], usage.spooled);
    let help = "Bodies that went to a file.";
    text.family("hotclub_spills_total", Kind::Counter, help)
        .sample(&[], usage.spills);
}

/// The program itself, without workers; the names are those of every Prometheus client.
fn program(text: &mut Exposition, started: SystemTime) {
    let help = "The program's version.";
    text.family("hotclub_build_info", Kind::Gauge, help)
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    if let Some(bytes) = i32::try_from(std::process::id())
        .ok()
        .and_then(|pid| Memory::of(pid).resident)
    {
        let help = "Resident memory of the program itself.";
        text.family("process_resident_memory_bytes", Kind::Gauge, help)
            .sample(&[], bytes);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        let help = "Open descriptors of the program itself.";
        text.family("process_open_fds", Kind::Gauge, help)
            .sample(&[], open.count());
    }
    let help = "When the program was started, in seconds since 1970.";
    let since_1970 = started.duration_since(UNIX_EPOCH).unwrap_or_default();
    text.family("process_start_time_seconds", Kind::Gauge, help)
        .sample(&[], since_1970.as_secs_f64());
}
