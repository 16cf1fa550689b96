//! All sites of a server and the front before them: raises each, shows those that stand, reloads, ends.
//!
//! A site that does not stand keeps no other down: it answers 503, and is tried again after a while.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use hotclub_config::Site;
use hotclub_front::{AccessLog, Limits, Options};
use hotclub_supervise::RunAs;
use tokio::task::JoinSet;

use super::stage::{Bill, Ready, Stage};
use super::tenant::{Ground, Raised, Wish, raise};
use super::{Source, Wanted};
use crate::apart::{self, Apart};
use crate::console::{Console, Event, Failure, Hosting, SiteState};
use crate::https::Certifier;
use crate::listeners::Listeners;
use crate::signals::{Order, Signals};
use crate::systemd::Systemd;
use crate::up::site;

/// For answers of the front itself, when no app asks for more.
const LEAST_GRACE: Duration = Duration::from_secs(10);

/// Before a site that could not be raised is tried again.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What a household is opened with, beside what is wanted of it.
pub(super) struct Opening {
    pub(super) source: Source,
    pub(super) listeners: Listeners,
    pub(super) log: Option<AccessLog>,
    /// The folder for what belongs to no site.
    pub(super) state: PathBuf,
    /// The front is a process of its own.
    pub(super) apart: Option<Separation>,
}

/// How the front's process is set apart.
pub(super) struct Separation {
    /// Whom it runs as; `None`: as we do.
    pub(super) user: Option<RunAs>,
    /// Whether it can be given a file system of its own.
    pub(super) can_mount: bool,
}

pub(super) struct Household<'a> {
    stage: Stage,
    listeners: Listeners,
    source: Source,
    default: Option<String>,
    /// Whom the sites' code runs as, where it is not the owners of their folders.
    users: BTreeMap<String, String>,
    /// Where certificates are kept.
    state: PathBuf,
    tenants: Vec<Tenant>,
    raising: JoinSet<(String, Result<Raised, Failure>)>,
    /// What goes on ending beside what serves.
    leaving: JoinSet<()>,
    certifier: Certifier,
    console: &'a Console,
    systemd: &'a Systemd,
    began: Instant,
    /// All sites were tried, and it was said.
    is_told: bool,
}

struct Tenant {
    site: Arc<Site>,
    standing: Option<Raised>,
    /// What it stood on before the front fell, and will stand on again.
    ground: Option<Arc<Ground>>,
    /// A newer state of it is being raised.
    is_rising: bool,
    /// Its file was read once more since.
    is_stale: bool,
    /// When it is tried again.
    again: Option<Instant>,
    /// How often in a row it could not be raised.
    failed: u32,
}

impl Tenant {
    fn new(site: Arc<Site>) -> Self {
        Self {
            site,
            standing: None,
            ground: None,
            is_rising: false,
            is_stale: false,
            again: None,
            failed: 0,
        }
    }

    fn ready(&self) -> Ready {
        let standing = self.standing.as_ref();
        standing.map_or_else(|| Stage::closed(&self.site), |raised| raised.ready.clone())
    }

    fn state(&self) -> SiteState {
        let state = match (&self.standing, self.is_rising) {
            (Some(_), _) => "serving",
            (None, true) => "starting",
            (None, false) => "down",
        };
        SiteState {
            name: self.site.name.clone(),
            hosts: self.site.hosts.clone(),
            state,
        }
    }

    /// Requests under way are finished, then the database ends.
    fn leave(self, leaving: &mut JoinSet<()>) {
        if let Some(raised) = self.standing {
            leaving.spawn(raised.leave());
        } else if let Some(ground) = self.ground {
            leaving.spawn(async move { ground.stop().await });
        }
    }

    /// The same at once.
    async fn quit(self) {
        if let Some(raised) = self.standing {
            raised.quit().await;
        } else if let Some(ground) = self.ground {
            ground.quit().await;
        }
    }

    /// Longer with each failure: raising a site is hard work.
    fn pause(&mut self) -> Duration {
        self.failed += 1;
        FIRST_PAUSE
            .saturating_mul(1 << self.failed.saturating_sub(1).min(10))
            .min(LONGEST_PAUSE)
    }
}

impl<'a> Household<'a> {
    /// Lets visitors in, and begins to raise the sites.
    pub(super) async fn open(
        mut opening: Opening,
        wanted: Wanted,
        console: &'a Console,
        systemd: &'a Systemd,
    ) -> Result<Self, Failure> {
        let stage = stage(&mut opening, &wanted, console).await?;
        // What a site of its own keeps belongs to its folder.
        let state = match &opening.source {
            Source::Site(dir) => dir.join(".hotclub"),
            Source::Server(_) => opening.state.clone(),
        };
        let certifier = Certifier::start(
            wanted.sites.iter().map(|site| &**site),
            (stage.keyring(), &opening.listeners),
            &state,
        )?;
        let mut household = Self {
            certifier,
            stage,
            listeners: opening.listeners,
            source: opening.source,
            default: wanted.default,
            users: wanted.users,
            state,
            tenants: wanted.sites.into_iter().map(Tenant::new).collect(),
            raising: JoinSet::new(),
            leaving: JoinSet::new(),
            console,
            systemd,
            began: Instant::now(),
            is_told: false,
        };
        household.show();
        household.raise_all();
        household.stage.accept(&household.listeners);
        household.certifier.begin();
        Ok(household)
    }

    /// Serves until a signal says otherwise.
    pub(super) async fn run(mut self, signals: &mut Signals) {
        loop {
            self.tell_once();
            tokio::select! {
                order = signals.next() => match order {
                    Order::Stop(name) => return self.stop(signals, name).await,
                    Order::Quit => return self.quit().await,
                    Order::Reload => self.reload(),
                    Order::Reopen => self.stage.reopen_log(),
                    Order::More | Order::Fewer | Order::Upgrade => {
                        self.console.note("this signal has no meaning for several sites");
                    }
                },
                Some(Ok((name, outcome))) = self.raising.join_next() => self.raised(&name, outcome),
                (at, failure) = fallen(&self.tenants) => self.fell(at, &failure),
                at = due(&self.tenants) => self.raise(at),
                () = self.stage.fell() => self.front_fell(),
                Some(_) = self.leaving.join_next() => {}
            }
        }
    }

    /// Lets the front see what stands now.
    fn show(&self) {
        let tenants = self.tenants.iter();
        self.stage.show(&Bill {
            sites: tenants.map(|tenant| tenant.ready()).collect(),
            default: self.default.clone(),
            is_alone: matches!(self.source, Source::Site(_)),
        });
    }

    fn raise_all(&mut self) {
        for at in 0..self.tenants.len() {
            self.raise(at);
        }
    }

    /// Another one takes the front's place at once. What the one before had of the apps is lost, so that all sites are
    /// raised again, on the ground that they stand on.
    fn front_fell(&mut self) {
        let failure = Failure::new("the front's process ended: another one takes its place");
        self.console.failure(&failure);
        if let Err(failure) = self.stage.revive() {
            // It is tried again: this one has fallen, too.
            return self.console.failure(&failure);
        }
        for tenant in &mut self.tenants {
            if let Some(raised) = tenant.standing.take() {
                tenant.ground = raised.ground();
                self.leaving.spawn(raised.cut_off());
            }
        }
        self.show();
        self.stage.accept(&self.listeners);
        self.raise_all();
    }

    fn raise(&mut self, at: usize) {
        let tenant = &mut self.tenants[at];
        tenant.again = None;
        tenant.is_stale = tenant.is_rising;
        if tenant.is_stale {
            return;
        }
        tenant.is_rising = true;
        let site = Arc::clone(&tenant.site);
        let wish = Wish {
            user: self.users.get(&site.name).cloned(),
            state: self.state.join("up"),
            site: Arc::clone(&site),
        };
        let standing = tenant.standing.as_ref().and_then(Raised::ground);
        let ground = standing.or_else(|| tenant.ground.clone());
        let console = self.console.of_site(&site.name);
        let stage = self.stage.clone();
        self.raising.spawn(async move {
            let name = site.name.clone();
            (name, raise(wish, ground, stage, console).await)
        });
    }

    fn raised(&mut self, name: &str, outcome: Result<Raised, Failure>) {
        let found = self
            .tenants
            .iter()
            .position(|tenant| tenant.site.name == name);
        let Some(at) = found else {
            // It was taken from the file meanwhile.
            if let Ok(raised) = outcome {
                self.leaving.spawn(raised.leave());
            }
            return;
        };
        let tenant = &mut self.tenants[at];
        tenant.is_rising = false;
        match outcome {
            Ok(raised) => {
                tenant.failed = 0;
                tenant.ground = None;
                let old = tenant.standing.replace(raised);
                self.show();
                if let Some(old) = old {
                    self.leaving.spawn(old.retire());
                }
                if self.is_told {
                    self.console.of_site(name).note("it serves");
                }
            }
            Err(mut failure) => {
                if tenant.standing.is_some() {
                    failure.message =
                        format!("not reloaded, the old code goes on: {}", failure.message);
                } else {
                    let pause = tenant.pause();
                    tenant.again = Some(Instant::now() + pause);
                    failure.message =
                        format!("down, tried again in {pause:?}: {}", failure.message);
                }
                self.console.of_site(name).failure(&failure);
            }
        }
        if self.tenants[at].is_stale {
            self.raise(at);
        }
    }

    fn fell(&mut self, at: usize, failure: &Failure) {
        let tenant = &mut self.tenants[at];
        if let Some(raised) = tenant.standing.take() {
            self.leaving.spawn(raised.leave());
        }
        let pause = tenant.pause();
        if !tenant.is_rising {
            tenant.again = Some(Instant::now() + pause);
        }
        self.console.of_site(&tenant.site.name).failure(failure);
        self.show();
    }

    /// Reads all files again. A fault in any of them changes nothing.
    fn reload(&mut self) {
        let wanted = match self.source.read(self.console) {
            Ok(wanted) => wanted,
            Err(mut failure) => {
                failure.message =
                    format!("not reloaded, all goes on as before: {}", failure.message);
                return self.console.failure(&failure);
            }
        };
        self.systemd.reloading();
        self.default = wanted.default;
        self.users = wanted.users;
        let sites = wanted.sites.iter().map(|site| &**site);
        match Certifier::start(sites, (self.stage.keyring(), &self.listeners), &self.state) {
            Ok(certifier) => {
                self.certifier = certifier;
                self.certifier.begin();
            }
            Err(failure) => self.console.failure(&failure),
        }
        let mut before = std::mem::take(&mut self.tenants);
        for site in wanted.sites {
            let known = before
                .iter()
                .position(|tenant| tenant.site.name == site.name);
            let mut tenant = match known {
                Some(at) => before.swap_remove(at),
                None => Tenant::new(Arc::clone(&site)),
            };
            tenant.site = site;
            self.tenants.push(tenant);
        }
        for gone in before {
            self.console
                .of_site(&gone.site.name)
                .note("it is no longer served");
            gone.leave(&mut self.leaving);
        }
        self.raise_all();
        self.show();
        self.is_told = false;
    }

    /// Says what is served once every site was tried.
    fn tell_once(&mut self) {
        if self.is_told || self.tenants.iter().any(|tenant| tenant.is_rising) {
            return;
        }
        self.is_told = true;
        let hosting = Hosting {
            urls: self.listeners.urls(),
            sites: self.tenants.iter().map(Tenant::state).collect(),
            seconds: self.began.elapsed().as_secs_f64(),
            pid: std::process::id(),
        };
        self.systemd
            .ready(&format!("serving {} sites", hosting.sites.len()));
        self.console
            .event(&Event::Hosting(&hosting), &hosting.rendered());
    }

    /// Lets go of the listeners, finishes requests, ends apps and databases. A second signal hurries.
    async fn stop(mut self, signals: &mut Signals, signal: &'static str) {
        let human = format!("{signal}: finishing requests; once more to hurry");
        self.console.event(&Event::Stopping { signal }, &human);
        self.systemd.stopping(&human);
        self.close();
        let standing = self
            .tenants
            .iter()
            .filter_map(|tenant| tenant.standing.as_ref());
        let grace = standing.map(Raised::grace).max().unwrap_or_default();
        let end = Instant::now() + grace.max(LEAST_GRACE);
        tokio::select! {
            () = self.stage.drain(end) => {}
            _ = signals.stop() => return self.quit().await,
        }
        self.give_up_raising().await;
        let mut ending = std::mem::take(&mut self.leaving);
        for tenant in self.tenants.drain(..) {
            tenant.leave(&mut ending);
        }
        // Each has a bound of its own; a second signal leaves the rest to the kernel.
        tokio::select! {
            () = async { while ending.join_next().await.is_some() {} } => {}
            _ = signals.stop() => {}
        }
        self.stage.end().await;
    }

    /// What is on its way up is waited for, and let down: cut off in the middle it would leave a database behind.
    async fn give_up_raising(&mut self) {
        while let Some(done) = self.raising.join_next().await {
            if let Ok((_, Ok(raised))) = done {
                self.leaving.spawn(raised.leave());
            }
        }
    }

    async fn quit(mut self) {
        let signal = "SIGQUIT";
        self.console
            .event(&Event::Stopping { signal }, "ending at once");
        self.systemd.stopping("ending at once");
        self.close();
        self.give_up_raising().await;
        for tenant in self.tenants.drain(..) {
            tenant.quit().await;
        }
        while self.leaving.join_next().await.is_some() {}
        self.stage.end().await;
    }

    fn close(&mut self) {
        self.stage.stop_accepting();
        self.listeners = Listeners::default();
    }
}

/// The front, here or apart.
async fn stage(
    opening: &mut Opening,
    wanted: &Wanted,
    console: &Console,
) -> Result<Stage, Failure> {
    let threads = wanted.sites.iter().map(|site| site.app.threads as usize);
    let threads = crate::front_threads(threads.max().unwrap_or(1));
    let log = opening.log.take();
    if let Some(Separation { user, can_mount }) = opening.apart {
        let (apart, how) = Apart::open(apart::Opening {
            threads,
            limits: wanted.limits.clone(),
            server: wanted.server.clone(),
            log,
            state: opening.state.clone(),
            user,
            can_mount,
        })
        .await?;
        console.note(&how);
        return Ok(Stage::Away(apart));
    }
    Stage::here(Options {
        threads,
        limits: Limits::from(&wanted.limits),
        trusted: site::trusted(&wanted.server)?,
        h2c: wanted.server.h2c,
        proxy_protocol: wanted.server.proxy_protocol,
        log,
        buffers: site::buffers(&wanted.limits, &opening.state)?,
    })
}

/// The first site that falls, and why. Cancel safe.
async fn fallen(tenants: &[Tenant]) -> (usize, Failure) {
    let standing = tenants.iter().enumerate();
    let mut watches: Vec<_> = standing
        .filter_map(|(at, tenant)| Some((at, tenant.standing.as_ref()?)))
        .map(|(at, raised)| (at, Box::pin(raised.fell())))
        .collect();
    std::future::poll_fn(move |context| {
        for (at, watch) in &mut watches {
            if let Poll::Ready(failure) = Pin::as_mut(watch).poll(context) {
                return Poll::Ready((*at, failure));
            }
        }
        Poll::Pending
    })
    .await
}

/// The first site that is to be tried again.
async fn due(tenants: &[Tenant]) -> usize {
    let waiting = tenants.iter().enumerate();
    let first = waiting
        .filter_map(|(at, tenant)| Some((tenant.again?, at)))
        .min();
    match first {
        Some((when, at)) => {
            tokio::time::sleep_until(when.into()).await;
            at
        }
        None => std::future::pending().await,
    }
}
