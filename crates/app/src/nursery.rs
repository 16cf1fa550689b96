//! Where workers come from: the fork server, and its replacement when it dies.
//!
//! Workers outlive their fork server. They are then children of this process (it is their subreaper),
//! watched by descriptors of their own until they end. They become that only when the fork server is dead, a moment
//! after it has closed its control socket: whoever died just before it is not ours to reap until then.

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotclub_supervise::Backoff;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process, pidfd_open,
    set_child_subreaper, waitid,
};
use tokio::io::Interest;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::board::Board;
use crate::control::{Load, Order, Report};
use crate::fork_server::{ForkServer, Launch, StartError};
use crate::sys;

/// What the nursery has to tell.
pub(crate) enum News {
    Report(Report),
    /// The fork server has ended; another one is being started.
    Died,
    /// The new fork server has the app imported.
    Restored,
}

/// The fork server, or what stands in for it.
enum Parent {
    Alive(Box<ForkServer>),
    Starting(JoinHandle<Result<ForkServer, StartError>>),
}

pub(crate) struct Nursery {
    parent: Parent,
    launch: Launch,
    load: Load,
    /// Kept for the next fork server. It does not keep the queue open: only the front's end does.
    queue: Arc<OwnedFd>,
    import_timeout: Duration,
    born: Instant,
    backoff: Backoff,
    waiting: Vec<(usize, Vec<OwnedFd>)>,
    /// Whether the last fork server that died is dead and reaped.
    buried: watch::Receiver<bool>,
    /// Workers that are watched. One watcher each: only one of several would learn of what they died.
    watched: HashSet<Pid>,
    orphans: mpsc::UnboundedReceiver<Report>,
    orphan_ended: mpsc::UnboundedSender<Report>,
}

impl Nursery {
    pub(crate) fn new(
        fork_server: ForkServer,
        launch: Launch,
        load: Load,
        queue: OwnedFd,
        import_timeout: Duration,
    ) -> Self {
        if let Err(error) = set_child_subreaper(Some(rustix::process::getpid())) {
            tracing::warn!(%error, "workers that lose their fork server cannot be watched");
        }
        let (orphan_ended, orphans) = mpsc::unbounded_channel();
        Self {
            parent: Parent::Alive(Box::new(fork_server)),
            launch,
            load,
            queue: Arc::new(queue),
            import_timeout,
            born: Instant::now(),
            backoff: Backoff::default(),
            waiting: Vec::new(),
            buried: watch::channel(true).1,
            watched: HashSet::new(),
            orphans,
            orphan_ended,
        }
    }

    /// The next thing that happened. Cancel safe.
    pub(crate) async fn news(&mut self, board: &Arc<Board>) -> News {
        let parent_news = async {
            match &mut self.parent {
                Parent::Alive(server) => {
                    if let Ok(Some(report)) = server.control.receive().await {
                        return News::Report(report);
                    }
                }
                Parent::Starting(starting) => match starting.await {
                    Ok(Ok(server)) => {
                        self.parent = Parent::Alive(Box::new(server));
                        self.born = Instant::now();
                        return News::Restored;
                    }
                    Ok(Err(error)) => tracing::error!(%error, "the fork server cannot be replaced"),
                    Err(error) => tracing::error!(%error, "the fork server cannot be replaced"),
                },
            }
            let delay = self.backoff.after_death(self.born.elapsed(), false);
            self.born = Instant::now();
            tracing::error!(
                ?delay,
                "the fork server is gone and is replaced; its workers go on serving"
            );
            let next = Parent::Starting(tokio::spawn(start(
                self.launch.clone(),
                self.load.clone(),
                Arc::clone(&self.queue),
                Arc::clone(board),
                self.import_timeout,
                delay,
            )));
            if let Parent::Alive(server) = std::mem::replace(&mut self.parent, next) {
                let (tell, buried) = watch::channel(false);
                self.buried = buried;
                tokio::spawn(bury(*server, tell));
            }
            News::Died
        };
        tokio::select! {
            news = parent_news => news,
            Some(report) = self.orphans.recv() => {
                if let Report::Exited { pid, .. } = &report {
                    self.watched.retain(|watched| watched.as_raw_pid() != *pid);
                }
                News::Report(report)
            }
        }
    }

    /// Watches the workers that the dead fork server has left.
    pub(crate) fn adopt(&mut self, pids: &[Option<i32>]) {
        for (place, pid) in pids.iter().enumerate() {
            let Some(pid) = pid.and_then(Pid::from_raw) else {
                continue;
            };
            let slot = place * self.load.threads;
            self.adopt_one(slot, pid);
        }
    }

    /// Watches one of them.
    pub(crate) fn adopt_one(&mut self, slot: usize, pid: Pid) {
        if self.watched.insert(pid) {
            let (buried, ended) = (self.buried.clone(), self.orphan_ended.clone());
            tokio::spawn(see_off(slot, pid, buried, ended));
        }
    }

    /// Whether the worker for `slot` is to be forked by the next fork server.
    pub(crate) fn is_waiting(&self, slot: usize) -> bool {
        self.waiting.iter().any(|(waiting, _)| *waiting == slot)
    }

    /// Has a worker forked, now or when there is a fork server again.
    pub(crate) async fn fork(&mut self, slot: usize, replies: Vec<OwnedFd>) -> std::io::Result<()> {
        let Parent::Alive(server) = &self.parent else {
            self.waiting.push((slot, replies));
            return Ok(());
        };
        let files: Vec<_> = replies.iter().map(AsFd::as_fd).collect();
        server.control.send(&Order::Fork { slot }, &files).await
    }

    pub(crate) async fn fork_what_waits(&mut self) -> std::io::Result<()> {
        for (slot, replies) in std::mem::take(&mut self.waiting) {
            self.fork(slot, replies).await?;
        }
        Ok(())
    }

    /// Signals a worker: through the fork server, whose process ids may be of another namespace than
    /// ours; directly when there is none.
    pub(crate) async fn signal(
        &self,
        slot: usize,
        pid: Option<i32>,
        signal: i32,
    ) -> std::io::Result<()> {
        if let Parent::Alive(server) = &self.parent {
            return server.control.send(&order(slot, signal, false), &[]).await;
        }
        if let (Some(pid), Some(signal)) =
            (pid.and_then(Pid::from_raw), Signal::from_named_raw(signal))
        {
            // It may have ended in the meantime.
            let _ = kill_process(pid, signal);
        }
        Ok(())
    }

    /// The fork server as our namespace numbers it, when it is in a container.
    pub(crate) fn outside(&self) -> Option<Pid> {
        match &self.parent {
            Parent::Alive(server) => server.outside,
            Parent::Starting(_) => None,
        }
    }

    /// Has a contained fork server kill a worker and its process group: we may lack the right to.
    pub(crate) async fn kill(&self, slot: usize) {
        if let Parent::Alive(server) = &self.parent
            && server.outside.is_some()
        {
            let order = order(slot, Signal::KILL.as_raw(), true);
            // An error means that it is gone, and its container with all workers.
            let _ = server.control.send(&order, &[]).await;
        }
    }

    /// Ends the fork server; workers that are left were killed before.
    pub(crate) async fn end(self) {
        match self.parent {
            Parent::Alive(mut server) => {
                let _ = server.control.send(&Order::Quit, &[]).await;
                let grace = server.end_grace();
                if let Err(error) = server.process.wait_or_kill(grace).await {
                    tracing::warn!(%error, "the fork server's end is unknown");
                }
            }
            Parent::Starting(starting) => starting.abort(),
        }
    }
}

/// Reaps a fork server that has closed its control socket, which it does a moment before it is dead. Merely
/// dropped in that moment it would stay a zombie until the next child of ours ends.
async fn bury(mut server: ForkServer, tell: watch::Sender<bool>) {
    let grace = server.end_grace();
    if let Err(error) = server.process.wait_or_kill(grace).await {
        tracing::warn!(%error, "the fork server's end is unknown");
    }
    tell.send_replace(true);
}

fn order(slot: usize, signal: i32, group: bool) -> Order {
    Order::Signal {
        slot,
        signal,
        group,
    }
}

async fn start(
    launch: Launch,
    load: Load,
    queue: Arc<OwnedFd>,
    board: Arc<Board>,
    import_timeout: Duration,
    delay: Duration,
) -> Result<ForkServer, StartError> {
    tokio::time::sleep(delay).await;
    let mut server = ForkServer::start(&launch).await?;
    server
        .load(load, [queue.as_fd(), board.file().as_fd()], import_timeout)
        .await?;
    Ok(server)
}

/// Waits for the end of a worker that is our child once its fork server is `buried`, and reaps it.
async fn see_off(
    slot: usize,
    pid: Pid,
    mut buried: watch::Receiver<bool>,
    ended: mpsc::UnboundedSender<Report>,
) {
    let status = reap(pid, &mut buried).await;
    let report = Report::Exited {
        slot,
        pid: pid.as_raw_pid(),
        code: status.and_then(|status| status.exit_status()),
        signal: status.and_then(|status| status.terminating_signal()),
        maxrss: 0,
    };
    // The owner is gone only when the generation is.
    let _ = ended.send(report);
}

/// `None`: the fork server has reaped it, and had no time to say so.
async fn reap(pid: Pid, buried: &mut watch::Receiver<bool>) -> Option<WaitIdStatus> {
    let file = pidfd_open(pid, PidfdFlags::NONBLOCK).ok()?;
    let file = sys::pollable(file, Interest::READABLE).ok()?;
    // It becomes readable when the process ends.
    let _ = file.readable().await;
    // An error means that whoever would have told is gone, and the fork server with it.
    let _ = buried.wait_for(|buried| *buried).await;
    let worker = WaitId::PidFd(file.get_ref().as_fd());
    waitid(worker, WaitIdOptions::EXITED).ok().flatten()
}
