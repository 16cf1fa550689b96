//! The front as a process of its own, under `hotclub host`.
//!
//! The supervisor keeps what is dear: listening sockets, children, databases, files, certificates' keys on the disk.
//! The front reads what strangers send, as a user of its own, without a capability, in a file system that holds what
//! it serves and nothing else, and can ask for nothing: it obeys, answers, and says what becomes of requests. So
//! there is no request of the front's that could be forged. Workers stay the supervisor's children; only their queues
//! and reply streams are handed over, so that a request takes the way that it takes everywhere.
//!
//! `message` is what is said, `link` how; `process` is the front's side, `confine` and `calls` what holds it, `lodge`
//! what it sees. This file is the supervisor's side.

mod calls;
mod confine;
mod life;
mod link;
mod lodge;
mod log;
mod message;
mod process;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hotclub_app::{BufferBounds, Buffers, Link};
use hotclub_config::{Limits, Server};
use hotclub_front::{AccessLog, Keyring, Listener, Purge};
use hotclub_supervise::{Backoff, RunAs};

use crate::console::Failure;
use crate::face::Face;
use crate::host::stage::{Bill, Observed, Ready};
use crate::listeners::Listeners;
use crate::probe::Probe;
use crate::visits::Visits;

use life::{Birth, Life};
use lodge::{Loan, Lodge};
use log::{SiteLog, SiteLogs};
use message::{Answer, Order, Playbill, Setting, Shown};

pub(crate) use confine::Bonds;
pub(crate) use link::{Socket, first};
pub(crate) use lodge::withdraw;
pub(crate) use process::main;

/// How often is looked whether what was lent is still what lies there.
const LOOK: Duration = Duration::from_secs(1);
/// A front that is told to end has nothing left to do.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a front of its own is started with.
pub(crate) struct Opening {
    pub(crate) threads: usize,
    pub(crate) limits: Limits,
    pub(crate) server: Server,
    pub(crate) log: Option<AccessLog>,
    /// Where its lines are noted, too.
    pub(crate) visits: Arc<Visits>,
    /// The folder of what belongs to no site.
    pub(crate) state: PathBuf,
    /// Whom it runs as; `None`: as we do.
    pub(crate) user: Option<RunAs>,
    /// Whether we have mounts of our own.
    pub(crate) can_mount: bool,
}

/// The front's process, or the one that has taken its place.
#[derive(Debug)]
pub(crate) struct Apart {
    birth: Birth,
    life: Mutex<Life>,
    link: Link,
    buffers: Arc<Buffers>,
    keyring: Arc<Keyring>,
    lodge: Option<Lodge>,
    site_logs: SiteLogs,
    next: AtomicU64,
    backoff: Mutex<Backoff>,
}

/// A site that the front was told of. It forgets it when this is dropped.
#[derive(Debug)]
pub(crate) struct Told {
    number: u64,
    apart: Arc<Apart>,
    _loans: Vec<Loan>,
    _log: Option<Arc<SiteLog>>,
}

impl Apart {
    /// Starts the process; returns once it is confined, with a line that says how.
    pub(crate) async fn open(opening: Opening) -> Result<(Arc<Self>, String), Failure> {
        let spool = opening.state.join("spool");
        let lodge = make_lodge(&opening, &spool)?;
        let bounds = bounds(&opening.limits);
        let setting = Setting {
            threads: opening.threads,
            limits: opening.limits,
            server: opening.server,
            bounds,
            spool: lodge.as_ref().map_or(spool.clone(), |_| "/spool".into()),
            log: opening.log.as_ref().map(AccessLog::format),
        };
        let birth = Birth {
            setting: Arc::new(setting),
            root: lodge.as_ref().map(|lodge| lodge.root().to_owned()),
            user: opening.user,
            log: opening.log,
            visits: opening.visits,
        };
        // The lanes of a generation send through whatever process there is.
        let current = life::Current::default();
        let link = Link::new(birth.setting.threads, current.courier());
        let keyring = Arc::new(Keyring::default());
        let life = birth.begin(&current, &link, &keyring)?;
        let confinement = life.begun().await?;
        let words = confinement.described(opening.user);
        let apart = Arc::new(Self {
            birth,
            life: Mutex::new(life),
            link,
            buffers: Buffers::new(spool, bounds),
            keyring,
            lodge,
            site_logs: SiteLogs::default(),
            next: AtomicU64::new(1),
            backoff: Mutex::default(),
        });
        if let Some(lodge) = apart.lodge.clone() {
            tokio::spawn(keep_looking(lodge));
        }
        Ok((apart, words))
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    pub(crate) fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    /// What is put there reaches the front by itself.
    pub(crate) fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring)
    }

    pub(crate) async fn probe(&self, generation: u64, probe: &Probe) -> Result<(), Failure> {
        let probe = probe.clone();
        let order = |question| Order::Probe {
            question,
            generation,
            probe,
        };
        self.ask(order).await.map(drop)
    }

    pub(crate) async fn ready(
        self: &Arc<Self>,
        face: &Face,
        generation: Option<u64>,
    ) -> Result<Told, Failure> {
        let mut loans = Vec::new();
        if let Some(lodge) = &self.lodge {
            for path in face.sees() {
                let loan = lodge.lend(&path).map_err(|error| {
                    let path = path.display();
                    Failure::new(format!("the front cannot be shown {path}: {error}"))
                })?;
                loans.push(loan);
            }
        }
        let log = self.site_log(face).await?;
        let pipe = log.as_ref().map(|log| log.pipe()).transpose()?.flatten();
        let own_log = log.as_ref().map(|log| (log.number, log.format()));
        let number = self.number();
        let face = Box::new(face.clone());
        let order = |question| Order::Ready {
            question,
            number,
            face,
            generation,
            log: own_log,
        };
        self.ask_with(order, pipe.into_iter().collect()).await?;
        Ok(Told {
            number,
            apart: Arc::clone(self),
            _loans: loans,
            _log: log,
        })
    }

    async fn site_log(self: &Arc<Self>, face: &Face) -> Result<Option<Arc<SiteLog>>, Failure> {
        let Some(wanted) = face.log().cloned() else {
            return Ok(None);
        };
        let apart = Arc::clone(self);
        let opened =
            tokio::task::spawn_blocking(move || apart.site_logs.open(&wanted, &apart.birth.visits));
        opened.await?.map(Some)
    }

    pub(crate) fn show(&self, bill: &Bill) {
        let shown = |ready: &Ready| match ready {
            Ready::Here(_) => None,
            Ready::Away(told) => Some(Shown::Site(told.number)),
            Ready::Closed { name, hosts } => Some(Shown::Closed {
                name: name.clone(),
                hosts: hosts.clone(),
            }),
        };
        self.life().say(Order::Show(Playbill {
            sites: bill.sites.iter().filter_map(shown).collect(),
            default: bill.default.clone(),
            is_alone: bill.is_alone,
        }));
    }

    /// Returns once all that was said before is done.
    pub(crate) async fn caught_up(&self) {
        // An error means that there is nobody left to wait for.
        let _ = self.ask(|question| Order::CatchUp { question }).await;
    }

    pub(crate) fn accept(&self, listeners: &Listeners) {
        for listener in listeners.iter() {
            self.accept_one(listener);
        }
    }

    fn accept_one(&self, listener: &Arc<Listener>) {
        use std::os::fd::AsFd as _;
        let https = listener.is_https();
        match listener.as_fd().try_clone_to_owned() {
            Ok(socket) => self.life().send(Order::Accept { https }, vec![socket]),
            Err(error) => tracing::error!(%error, "a listener cannot be handed to the front"),
        }
    }

    pub(crate) fn stop_accepting(&self) {
        self.life().say(Order::StopAccepting);
    }

    pub(crate) fn reopen_log(&self) {
        if let Some(log) = &self.birth.log {
            log.reopen();
        }
        self.site_logs.reopen();
    }

    pub(crate) async fn drain(&self, deadline: Instant) {
        let within = deadline.saturating_duration_since(Instant::now());
        let order = |question| Order::Drain { question, within };
        // An error means that there is nothing left to drain.
        let _ = self.ask(order).await;
    }

    pub(crate) async fn observe(&self) -> Observed {
        match self.ask(|question| Order::Observe { question }).await {
            Ok(Answer::Observed(observed)) => *observed,
            Ok(_) | Err(_) => Observed::default(),
        }
    }

    /// Forgets what is kept of a site's answers; how many there were, where it has a cache.
    pub(crate) async fn purge(&self, site: &str, meant: Purge) -> Result<Option<u64>, Failure> {
        let site = site.to_owned();
        let order = |question| Order::Purge {
            question,
            site,
            meant,
        };
        match self.ask(order).await? {
            Answer::Purged(gone) => Ok(gone),
            _ => Ok(None),
        }
    }

    /// Returns when the process is gone, after a pause if it goes again and again. Cancel safe.
    pub(crate) async fn fell(&self) {
        let (ended, born) = {
            let life = self.life();
            (life.ended(), life.born)
        };
        let ended = ended.await;
        // Counted when another one is started.
        let mut backoff = *self.backoff();
        let pause = backoff.after_death(ended.saturating_duration_since(born), false);
        tokio::time::sleep_until((ended + pause).into()).await;
    }

    /// Starts another process. It knows nothing of what the one before was told, but the certificates.
    pub(crate) fn revive(&self) -> Result<(), Failure> {
        let (current, born) = {
            let life = self.life();
            (life.current(), life.born)
        };
        let _pause = self.backoff().after_death(born.elapsed(), false);
        let life = self.birth.begin(&current, &self.link, &self.keyring)?;
        *self.life() = life;
        Ok(())
    }

    pub(crate) async fn end(self: Arc<Self>) {
        let ending = self.life().end(FAREWELL);
        ending.await;
        let finish = move || {
            self.site_logs.finish();
            if let Some(log) = &self.birth.log {
                log.finish();
            }
        };
        let _written = tokio::task::spawn_blocking(finish).await;
    }

    /// Asks a question; what the front refuses, and its end before the answer, is a failure.
    async fn ask(&self, order: impl FnOnce(u64) -> Order) -> Result<Answer, Failure> {
        self.ask_with(order, Vec::new()).await
    }

    async fn ask_with(
        &self,
        order: impl FnOnce(u64) -> Order,
        files: Vec<OwnedFd>,
    ) -> Result<Answer, Failure> {
        let question = self.number();
        let answer = self.life().ask(question, order(question), files);
        match answer.await {
            Some(Answer::Failed(why)) => Err(Failure::new(why)),
            Some(answer) => Ok(answer),
            None => Err(Failure::new("the front's process ended in the meantime")),
        }
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn backoff(&self) -> MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let number = self.number;
        self.apart.life().say(Order::Forget { number });
    }
}

fn make_lodge(opening: &Opening, spool: &Path) -> Result<Option<Lodge>, Failure> {
    std::fs::create_dir_all(spool)?;
    let Some(user) = opening.user else {
        return Ok(None);
    };
    if opening.can_mount {
        let root = opening.state.join("front");
        let lodge = Lodge::make(&root, spool, user).map_err(|error| {
            let root = root.display();
            Failure::new(format!(
                "the front's files cannot be laid out in {root}: {error}"
            ))
        })?;
        return Ok(Some(lodge));
    }
    std::os::unix::fs::chown(spool, Some(user.uid), Some(user.gid))?;
    Ok(None)
}

fn bounds(limits: &Limits) -> BufferBounds {
    BufferBounds {
        per_connection: limits.max_buffered_per_connection,
        memory: limits.max_buffered,
        spooled: limits.max_spooled,
    }
}

async fn keep_looking(lodge: Lodge) {
    loop {
        tokio::time::sleep(LOOK).await;
        lodge.look();
    }
}
