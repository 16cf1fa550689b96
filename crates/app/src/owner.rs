//! The task that owns a generation: feeds the crew with what happens and carries out what it decides.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotclub_wire::board::End;
use rustix::process::{Pid, Signal};
use tokio::sync::{mpsc, oneshot, watch};

use crate::board::Board;
use crate::contained;
use crate::control::{AppFailure, Report};
use crate::counts::Counts;
use crate::crew::{Action, Crew, Event, Policy};
use crate::death::{Cause, Deaths, Exit};
use crate::fork_server::StartError;
use crate::generation::{Status, place_of, reply_pair};
use crate::lane::LaneEvent;
use crate::lanes::Lanes;
use crate::memory;
use crate::nursery::{News, Nursery};
use crate::strays;

/// How often the workers' counters are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often their memory is noted, and strays are reaped.
const SAMPLE: Duration = Duration::from_secs(1);
/// A worker that was being forked when the fork server died has written its pid by then.
const BIRTH: Duration = Duration::from_secs(1);

/// On this a worker writes the Python stacks of all its threads to stderr: SIGRTMAX − 1; SIGRTMAX is 64
/// with every C library on Linux.
const STACK_SIGNAL: i32 = 63;

/// What the holder of a generation asks.
#[derive(Debug)]
pub(crate) enum Request {
    SetWorkers(usize),
    /// Answered at once, if the owner is well.
    Ping(oneshot::Sender<()>),
    Drain,
    Kill,
}

pub(crate) struct Owner {
    pub(crate) nursery: Nursery,
    pub(crate) crew: Crew,
    pub(crate) policy: Policy,
    pub(crate) board: Arc<Board>,
    pub(crate) lanes: Lanes,
    pub(crate) pids: Vec<Option<i32>>,
    /// The numbers by which the fork server names them: others than ours, when it is in a container.
    pub(crate) told: Vec<Option<i32>>,
    pub(crate) lane_events: mpsc::UnboundedReceiver<LaneEvent>,
    pub(crate) requests: mpsc::UnboundedReceiver<Request>,
    pub(crate) status: watch::Sender<Status>,
    /// Told once, when all workers serve or when they cannot.
    pub(crate) ready: Option<oneshot::Sender<Result<(), StartError>>>,
    pub(crate) load_failure: Option<AppFailure>,
    pub(crate) deaths: Deaths,
    pub(crate) counts: Arc<Counts>,
    /// Places whose workers were starting when the fork server died, and when to look at them.
    pub(crate) doubtful: Vec<(Instant, usize)>,
    pub(crate) sampled: Instant,
}

impl Owner {
    pub(crate) async fn run(mut self) {
        self.step(Event::Tick).await;
        let mut draining = false;
        loop {
            let tick = self.next_tick();
            tokio::select! {
                news = self.nursery.news(&self.board) => match news {
                    News::Report(report) => self.reported(report).await,
                    News::Died if self.ready.is_some() => break,
                    News::Died => self.orphaned(),
                    News::Restored => self.restored().await,
                },
                Some(event) = self.lane_events.recv() => self.lane_said(event).await,
                request = self.requests.recv() => match request {
                    Some(Request::SetWorkers(workers)) => self.step(Event::Target(workers)).await,
                    // Whoever asked may have lost patience.
                    Some(Request::Ping(tell)) => drop(tell.send(())),
                    Some(Request::Drain) => { draining = true; self.step(Event::Drain).await; }
                    Some(Request::Kill) | None => break,
                },
                () = tokio::time::sleep_until(tick.into()) => self.look().await,
            }
            if (draining && self.crew.is_gone()) || self.hopeless() {
                break;
            }
        }
        self.end().await;
    }

    fn next_tick(&self) -> Instant {
        let look = Instant::now() + LOOK;
        self.crew.next_tick().map_or(look, |at| at.min(look))
    }

    /// At the start, a crash loop is an answer: nobody waits for it to heal.
    fn hopeless(&self) -> bool {
        self.ready.is_some() && (self.load_failure.is_some() || self.crew.is_looping())
    }

    async fn reported(&mut self, report: Report) {
        let Some(place) = place_of(&report, self.policy.threads) else {
            return;
        };
        if place >= self.pids.len() {
            return;
        }
        match report {
            Report::Forked { pid, .. } => {
                let pid = self.settled(place, pid);
                self.step(Event::Forked { place, pid }).await;
            }
            Report::Ready { .. } => self.ready(place).await,
            Report::Failed { error, pid, .. } => {
                tracing::error!(
                    "a worker cannot import the app: {}: {}",
                    error.kind,
                    error.message
                );
                self.load_failure = Some(error);
                self.deaths.kills(place, Cause::IMPORT);
                self.step(Event::LoadFailed { place }).await;
                if pid.is_none() {
                    // It could not even be forked: no exit will be reported.
                    self.exited(place, None).await;
                }
            }
            Report::Exited {
                pid,
                code,
                signal,
                maxrss,
                ..
            } if [self.told[place], self.pids[place]].contains(&Some(pid)) => {
                let exit = Exit {
                    pid: self.pids[place].unwrap_or(pid),
                    code,
                    signal,
                    peak: maxrss,
                    expected: self.crew.expects_exit(place),
                };
                self.exited(place, Some(exit)).await;
            }
            // An exit of somebody whose end was known before: another worker has the place now.
            Report::Exited { .. } | Report::Hello { .. } | Report::Loaded(_) => {}
        }
    }

    /// Notes a new worker by the process id that it has here; a container has numbers of its own.
    fn settled(&mut self, place: usize, pid: i32) -> i32 {
        self.told[place] = Some(pid);
        let Some(parent) = self.nursery.outside() else {
            self.pids[place] = Some(pid);
            return pid;
        };
        // One that cannot be found has ended already, which is reported next.
        let found = contained::child(parent, pid).map(Pid::as_raw_pid);
        self.pids[place] = found;
        for slot in self.slots(place) {
            self.board.set_outside(slot, found.unwrap_or(0));
        }
        found.unwrap_or(pid)
    }

    async fn restored(&mut self) {
        if let Some(pid) = self.nursery.outside() {
            self.deaths.watch_cgroup_of(pid);
        }
        self.fork_what_waits().await;
    }

    async fn ready(&mut self, place: usize) {
        if self.crew.is_starting(place) {
            self.deaths.replaced(self.pids[place]);
        }
        self.step(Event::Ready { place }).await;
    }

    /// `exit`: `None` when there never was a process.
    async fn exited(&mut self, place: usize, exit: Option<Exit>) {
        if let Some(exit) = exit {
            self.deaths.exited(place, exit);
            // On the board it stands by the number that it has for itself.
            self.make_known(place, self.told[place].unwrap_or(exit.pid));
        }
        self.pids[place] = None;
        self.told[place] = None;
        let useful = self.slots(place).any(|slot| self.board.view(slot).done > 0);
        self.step(Event::Exited { place, useful }).await;
    }

    /// Tells the lanes how a worker ended: a request whose worker was killed from outside is run again.
    fn make_known(&self, place: usize, pid: i32) {
        let end = End {
            pid: u64::try_from(pid).unwrap_or(0),
            from_outside: self.deaths.was_killed_from_outside(place),
        };
        self.slots(place)
            .for_each(|slot| self.board.tell_end(slot, end));
    }

    /// The fork server is dead. Its workers are watched from here; those that it was about to fork, or
    /// that were about to report to it, are looked at a moment later.
    fn orphaned(&mut self) {
        self.counts.fork_server_replaced();
        self.nursery.adopt(&self.pids);
        let at = Instant::now() + BIRTH;
        let places = (0..self.pids.len()).filter(|place| self.crew.is_starting(*place));
        let lost = places.filter(|place| !self.nursery.is_waiting(place * self.policy.threads));
        self.doubtful = lost.map(|place| (at, place)).collect();
    }

    async fn settle(&mut self) {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.doubtful)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.doubtful = later;
        let due: Vec<(Instant, usize)> = due;
        for (_, place) in due {
            if !self.crew.is_starting(place) {
                continue;
            }
            if self.pids[place].is_none() && !self.found(place) {
                self.exited(place, None).await;
            } else if self.board.is_serving(place * self.policy.threads) {
                self.ready(place).await;
            } else {
                self.doubtful.push((now + BIRTH, place));
            }
        }
    }

    /// Whether a worker was forked into this place without a report. The board is the workers' to write, so its
    /// word counts only for a process that has become our child.
    fn found(&mut self, place: usize) -> bool {
        let slot = place * self.policy.threads;
        let raw = i32::try_from(self.board.view(slot).pid).unwrap_or(0);
        let known = self.pids.contains(&Some(raw));
        match Pid::from_raw(raw).filter(|pid| !known && strays::is_child(*pid)) {
            Some(pid) => {
                self.pids[place] = Some(raw);
                self.nursery.adopt_one(slot, pid);
                true
            }
            None => false,
        }
    }

    async fn lane_said(&mut self, event: LaneEvent) {
        let (LaneEvent::Overdue { slot, .. }
        | LaneEvent::Broken { slot }
        | LaneEvent::Ended { slot, .. }) = event;
        let place = slot / self.policy.threads;
        let event = match event {
            LaneEvent::Overdue { slot, id, request } => {
                tracing::error!(
                    pid = self.pids.get(place).copied().flatten(),
                    request,
                    "a request ran past its deadline; its worker is replaced"
                );
                self.deaths.hangs(place, slot, id);
                let others_busy = !self.only_hung(place);
                Event::Overdue { place, others_busy }
            }
            LaneEvent::Broken { .. } => {
                self.deaths.kills(place, Cause::PROTOCOL);
                Event::Broken { place }
            }
            LaneEvent::Ended { lost, .. } => {
                self.deaths.lost(place, lost);
                Event::StreamEnded { place }
            }
        };
        self.step(event).await;
    }

    /// Whether a request that ran past its deadline still runs.
    fn hangs(&self, place: usize) -> bool {
        let hung = self.deaths.hung(place).iter();
        hung.into_iter()
            .any(|(slot, id)| self.board.request(*slot) == *id)
    }

    /// Whether every request that the worker still has ran past its deadline.
    fn only_hung(&self, place: usize) -> bool {
        let hung = self.deaths.hung(place);
        self.slots(place).all(|slot| {
            let request = self.board.request(slot);
            request == 0 || hung.contains(&(slot, request))
        })
    }

    /// Looks at the counters of all workers.
    async fn look(&mut self) {
        if self.sampled.elapsed() >= SAMPLE {
            self.sampled = Instant::now();
            self.deaths.sample(&self.pids);
            strays::reap();
        }
        if !self.doubtful.is_empty() {
            self.settle().await;
        }
        for place in 0..self.pids.len() {
            let Some(pid) = self.pids[place] else {
                continue;
            };
            if self.hangs(place) && self.only_hung(place) {
                self.step(Event::OnlyHung { place }).await;
            }
            if self.policy.max_requests > 0 || self.policy.max_memory.is_some() {
                self.measure(place, pid).await;
            }
        }
        self.step(Event::Tick).await;
    }

    async fn measure(&mut self, place: usize, pid: i32) {
        let done = self.slots(place).map(|slot| self.board.view(slot).done);
        let requests = done.sum();
        let memory = self
            .policy
            .max_memory
            .map_or(0, |_| memory::resident(pid).unwrap_or(0));
        self.step(Event::Looked {
            place,
            requests,
            memory,
        })
        .await;
    }

    fn slots(&self, place: usize) -> std::ops::Range<usize> {
        place * self.policy.threads..(place + 1) * self.policy.threads
    }

    async fn step(&mut self, event: Event) {
        for action in self.crew.step(event, Instant::now()) {
            if let Err(error) = self.carry_out(action).await {
                tracing::error!(%error, ?action, "an action on a worker failed");
            }
        }
        let serving = self.crew.serving();
        self.status
            .send_if_modified(|status| std::mem::replace(&mut status.serving, serving) != serving);
        if serving >= self.policy.workers
            && let Some(ready) = self.ready.take()
        {
            // Whoever started the generation may have given up.
            let _ = ready.send(Ok(()));
        }
    }

    async fn carry_out(&mut self, action: Action) -> std::io::Result<()> {
        match action {
            Action::Fork { place } => self.fork(place).await?,
            Action::Leave { place } => self.signal(place, Signal::TERM.as_raw()).await?,
            Action::Recycle { place, why } => {
                let pid = self.pids[place];
                tracing::debug!(pid, reason = why.name(), "a worker is recycled");
                self.deaths.recycled(place, why);
            }
            Action::DumpStacks { place } => self.signal(place, STACK_SIGNAL).await?,
            Action::Kill { place } => {
                self.deaths.kills(place, Cause::STAYED);
                self.kill(place).await;
            }
            Action::Detach { place } => {
                self.slots(place).for_each(|slot| self.lanes.detach(slot));
            }
            Action::Clear { place } => {
                self.deaths.log(place);
                self.slots(place).for_each(|slot| self.board.clear(slot));
            }
            Action::BackingOff { delay } => {
                tracing::warn!(
                    ?delay,
                    "workers keep dying; the next one starts after a pause"
                );
            }
        }
        Ok(())
    }

    async fn fork(&mut self, place: usize) -> std::io::Result<()> {
        let mut theirs: Vec<OwnedFd> = Vec::new();
        for slot in self.slots(place) {
            let mut streams = Vec::with_capacity(self.lanes.count());
            for _ in 0..self.lanes.count() {
                let (ours, worker_end) = reply_pair()?;
                streams.push(ours);
                theirs.push(worker_end);
            }
            self.lanes.attach(slot, streams)?;
        }
        let slot = place * self.policy.threads;
        self.nursery.fork(slot, theirs).await
    }

    async fn fork_what_waits(&mut self) {
        if let Err(error) = self.nursery.fork_what_waits().await {
            tracing::error!(%error, "workers cannot be forked");
        }
    }

    async fn signal(&self, place: usize, signal: i32) -> std::io::Result<()> {
        let slot = place * self.policy.threads;
        self.nursery.signal(slot, self.pids[place], signal).await
    }

    async fn kill(&self, place: usize) {
        if self.pids[place].is_some() {
            self.nursery.kill(place * self.policy.threads).await;
        }
        if let Some(pid) = self.pids[place].and_then(Pid::from_raw) {
            strays::kill_family(pid);
        }
    }

    async fn end(mut self) {
        self.lanes.abort();
        for place in 0..self.pids.len() {
            self.kill(place).await;
        }
        self.nursery.end().await;
        // Those that their parent had no time to reap are ours now.
        let pids = std::mem::take(&mut self.pids).into_iter().flatten();
        strays::bury(pids.filter_map(Pid::from_raw).collect()).await;
        if let Some(ready) = self.ready.take() {
            let error = self
                .load_failure
                .take()
                .map(|failure| StartError::App(Box::new(failure)));
            let _ = ready.send(Err(error.unwrap_or(StartError::Workers(None))));
        }
        self.status.send_modify(|status| {
            *status = Status {
                serving: 0,
                gone: true,
            }
        });
    }
}
