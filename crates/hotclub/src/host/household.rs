//! All sites of a server and the front before them: raises each, shows those that stand, reloads, ends.
//!
//! A site that does not stand keeps no other down: it answers 503, and is tried again after a while.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use hotclub_acme::Office;
use hotclub_config::Site;
use hotclub_front::{AccessLog, Distribution, Limits, Observer, Options};
use hotclub_supervise::RunAs;
use tokio::task::JoinSet;

use super::ask::{Ask, Asks, Done, Hold, Look};
use super::stage::{Bill, Ready, Stage};
use super::tenant::{Ground, Raised, Wish, raise};
use super::{Source, Wanted};
use crate::apart::{self, Apart};
use crate::console::{Console, Event, Failure, Hosting, SiteState};
use crate::face;
use crate::https::{Certifier, clerk};
use crate::listeners::Listeners;
use crate::signals::{Order, Signals};
use crate::systemd::Systemd;
use crate::up::site;
use crate::users;
use crate::visits::Visits;

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
    /// Where a front of its own has its requests noted.
    pub(super) visits: Arc<Visits>,
    /// The folder for what belongs to no site.
    pub(super) state: PathBuf,
    /// What it is asked for while it serves.
    pub(super) asks: Asks,
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
    raising: JoinSet<(String, Result<Raised, Failure>, Then)>,
    asks: Asks,
    /// What goes on ending beside what serves.
    leaving: JoinSet<()>,
    certifier: Certifier,
    office: Office,
    console: &'a Console,
    systemd: &'a Systemd,
    began: Instant,
    /// All sites were tried, and it was said.
    is_told: bool,
}

/// What becomes of a site that was raised.
enum Then {
    Show,
    /// Whoever tried decides.
    Tell(Done<Result<Raised, Failure>>),
}

/// Somebody who tries a state of a site.
struct Trial {
    site: Arc<Site>,
    console: Console,
    done: Done<Result<Raised, Failure>>,
}

struct Tenant {
    site: Arc<Site>,
    /// As it was when it last came to stand: what is raised again after a newer one failed.
    proven: Option<Arc<Site>>,
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
    /// It was tried for the first time, and never stood.
    is_new: bool,
    /// Since when it serves, or does not.
    since: SystemTime,
    failure: Option<Failure>,
    /// Told when it next stands, or does not.
    waiting: Vec<Done<Result<(), Failure>>>,
    /// Wait until nobody else raises it.
    trials: VecDeque<Trial>,
}

impl Tenant {
    fn new(site: Arc<Site>) -> Self {
        Self {
            site,
            proven: None,
            standing: None,
            ground: None,
            is_rising: false,
            is_stale: false,
            again: None,
            failed: 0,
            is_new: false,
            since: SystemTime::now(),
            failure: None,
            waiting: Vec::new(),
            trials: VecDeque::new(),
        }
    }

    fn ready(&self) -> Ready {
        let standing = self.standing.as_ref();
        standing.map_or_else(|| Stage::closed(&self.site), |raised| raised.ready.clone())
    }

    /// What a newer state of it is to stand on.
    fn stood_on(&self) -> Option<Arc<Ground>> {
        let standing = self.standing.as_ref().and_then(Raised::ground);
        standing.or_else(|| self.ground.clone())
    }

    /// It serves from here on; what stood before.
    fn stands(&mut self, raised: Raised) -> Option<Raised> {
        self.proven = Some(Arc::clone(&self.site));
        self.failed = 0;
        self.failure = None;
        self.again = None;
        if self.standing.is_none() {
            self.since = SystemTime::now();
        }
        self.standing.replace(raised)
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
        let clerk_user = opening
            .apart
            .as_ref()
            .map_or_else(users::of_clerk, |apart| apart.user);
        // What a site of its own keeps belongs to its folder.
        let state = match &opening.source {
            Source::Site(dir) => dir.join(".hotclub"),
            Source::Server(..) => opening.state.clone(),
        };
        let certifier = Certifier::start(
            wanted.sites.iter().map(|site| &**site),
            (stage.keyring(), &opening.listeners),
            &state,
        )?;
        let mut household = Self {
            certifier,
            office: clerk::office(clerk_user),
            stage,
            listeners: opening.listeners,
            source: opening.source,
            default: wanted.default,
            users: wanted.users,
            state,
            tenants: wanted.sites.into_iter().map(Tenant::new).collect(),
            raising: JoinSet::new(),
            asks: opening.asks,
            leaving: JoinSet::new(),
            console,
            systemd,
            began: Instant::now(),
            is_told: false,
        };
        household.show();
        household.raise_all();
        household.stage.accept(&household.listeners);
        household.certifier.begin(&household.office);
        Ok(household)
    }

    /// A look at the front, where it is a part of this process.
    pub(super) fn observer(&self) -> Option<Observer> {
        self.stage.observer()
    }

    /// Serves until a signal says otherwise.
    pub(super) async fn run(mut self, signals: &mut Signals) {
        loop {
            self.tell_once().await;
            tokio::select! {
                order = signals.next() => match order {
                    Order::Stop(name) => return self.stop(signals, name).await,
                    Order::Quit => return self.quit().await,
                    Order::Reload => drop(self.reload()),
                    Order::Reopen => self.stage.reopen_log(),
                    Order::More | Order::Fewer | Order::Upgrade => {
                        self.console.note("this signal has no meaning for several sites");
                    }
                },
                Some(Ok((name, outcome, then))) = self.raising.join_next() => match then {
                    Then::Show => self.raised(&name, outcome),
                    Then::Tell(done) => self.tried(&name, outcome, done),
                },
                Some(ask) = self.asks.recv() => self.obey(ask),
                (at, failure) = fallen(&self.tenants) => self.fell(at, &failure),
                at = due(&self.tenants) => self.raise(at),
                () = self.stage.fell() => self.front_fell(),
                Some(_) = self.leaving.join_next() => {}
            }
        }
    }

    /// Lets the front see what stands now.
    fn show(&self) {
        let tenants = self.tenants.iter().filter(|tenant| !tenant.is_new);
        self.stage.show(&Bill {
            sites: tenants.map(Tenant::ready).collect(),
            default: self.default.clone(),
            is_alone: matches!(self.source, Source::Site(_)),
        });
    }

    fn raise_all(&mut self) {
        for at in 0..self.tenants.len() {
            if !self.tenants[at].is_new {
                self.raise(at);
            }
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
        let ground = tenant.stood_on();
        let wish = self.wish(&site);
        let console = self.console.of_site(&site.name);
        let stage = self.stage.clone();
        self.raising.spawn(async move {
            let name = site.name.clone();
            (name, raise(wish, ground, stage, console).await, Then::Show)
        });
    }

    fn wish(&self, site: &Arc<Site>) -> Wish {
        Wish {
            user: self.users.get(&site.name).cloned(),
            state: self.state.join("up"),
            site: Arc::clone(site),
        }
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
                tenant.ground = None;
                let processes = raised.replace_processes();
                let old = tenant.stands(raised);
                self.show();
                self.leaving.spawn(async move {
                    if let Some(old) = old {
                        old.retire().await;
                    }
                    processes.await;
                });
                if self.is_told {
                    self.console.of_site(name).note("it serves");
                }
            }
            Err(mut failure) => {
                if tenant.standing.is_some() {
                    if let Some(proven) = tenant.proven.clone().filter(|_| !tenant.is_stale) {
                        tenant.site = proven;
                    }
                    failure.message =
                        format!("not reloaded, the old code goes on: {}", failure.message);
                } else {
                    let pause = tenant.pause();
                    tenant.again = Some(Instant::now() + pause);
                    failure.message =
                        format!("down, tried again in {pause:?}: {}", failure.message);
                }
                self.console.of_site(name).failure(&failure);
                self.tenants[at].failure = Some(failure);
            }
        }
        self.next_for(at);
    }

    /// Whoever waited until this site was not being raised.
    fn next_for(&mut self, at: usize) {
        let tenant = &mut self.tenants[at];
        if tenant.is_stale {
            return self.raise(at);
        }
        let outcome = match (&tenant.failure, &tenant.standing) {
            (Some(failure), _) => Err(failure.clone()),
            (None, _) => Ok(()),
        };
        let (waiting, stage) = (std::mem::take(&mut tenant.waiting), self.stage.clone());
        if !waiting.is_empty() {
            self.leaving.spawn(async move {
                stage.caught_up().await;
                for waiting in waiting {
                    // Whoever asked has left.
                    let _ = waiting.send(outcome.clone());
                }
            });
        }
        let tenant = &mut self.tenants[at];
        if let Some(trial) = tenant.trials.pop_front() {
            self.attempt(at, trial);
        }
    }

    fn fell(&mut self, at: usize, failure: &Failure) {
        let tenant = &mut self.tenants[at];
        tenant.since = SystemTime::now();
        tenant.failure = Some(failure.clone());
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

    fn obey(&mut self, ask: Ask) {
        match ask {
            Ask::Look(done) => {
                let (mut looks, stage) = (self.look(), self.stage.clone());
                self.leaving.spawn(async move {
                    let observed = stage.observe().await;
                    looks.iter_mut().for_each(|look| look.count(&observed));
                    // Whoever asked has left; so below.
                    let _ = done.send(looks);
                });
            }
            Ask::Reload { site, done } => match site {
                Some(site) => self.reload_one(&site, done),
                None => self.reload_all(done),
            },
            Ask::Restart { site, hold, done } => self.restart(&site, hold, done),
            Ask::Try {
                site,
                console,
                done,
            } => self.begin_trial(Trial {
                site,
                console,
                done,
            }),
            Ask::Switch { site, raised, done } => self.switch(site, raised, done),
            Ask::GiveUp { site, raised } => {
                if let Some(raised) = raised {
                    self.leaving.spawn(raised.give_up());
                    self.trial_is_over(&site);
                }
            }
            Ask::Cache {
                site,
                question,
                done,
            } => {
                let (known, stage) = (self.known(&site), self.stage.clone());
                self.leaving.spawn(async move {
                    let answer = match known {
                        Ok(()) => stage.cache(&site, question).await,
                        Err(failure) => Err(failure),
                    };
                    let _ = done.send(answer);
                });
            }
            Ask::Dismiss { site, done } => self.dismiss(&site, done),
        }
    }

    fn find(&self, site: &str) -> Option<usize> {
        let mut tenants = self.tenants.iter();
        tenants.position(|tenant| tenant.site.name == site)
    }

    fn known(&self, site: &str) -> Result<(), Failure> {
        match self.find(site) {
            Some(at) if !self.tenants[at].is_new => Ok(()),
            _ => Err(self.unknown(site)),
        }
    }

    fn unknown(&self, site: &str) -> Failure {
        let shown = self.tenants.iter().filter(|tenant| !tenant.is_new);
        let names: Vec<&str> = shown.map(|tenant| tenant.site.name.as_str()).collect();
        let hint = match names.is_empty() {
            true => "there is none yet: `hotclub deploy` brings one".to_owned(),
            false => format!("the sites here are {}", names.join(", ")),
        };
        Failure::new(format!("no site is called `{site}`")).hint(hint)
    }

    fn look(&self) -> Vec<Look> {
        let shown = self.tenants.iter().filter(|tenant| !tenant.is_new);
        let look = |tenant: &Tenant| {
            let standing = tenant.standing.as_ref();
            Look {
                site: Arc::clone(&tenant.site),
                state: tenant.state().state,
                since: tenant.since,
                failure: tenant.failure.clone(),
                view: standing.and_then(Raised::view),
                journal: standing.and_then(Raised::journal),
                folder: standing.and_then(Raised::folder),
                keeps_backups: standing.is_some_and(Raised::keeps_backups),
                is_https: self.listeners.any_https(),
                processes: standing.map_or_else(Vec::new, Raised::processes),
                answered: 0,
                failed: 0,
                times: Distribution::default(),
            }
        };
        shown.map(look).collect()
    }

    /// One site as the files say now; a fault in any of them is one.
    fn read_one(&self, name: &str) -> Result<Arc<Site>, Failure> {
        let mut sites = self.source.read(self.console)?.sites.into_iter();
        let found = sites.find(|site| site.name == name);
        found.ok_or_else(|| self.unknown(name))
    }

    fn reload_one(&mut self, name: &str, done: Done<Result<(), Failure>>) {
        let site = match self.read_one(name) {
            Ok(site) => site,
            Err(failure) => {
                let _ = done.send(Err(failure));
                return;
            }
        };
        let at = self.find(name).unwrap_or_else(|| {
            self.tenants.push(Tenant::new(Arc::clone(&site)));
            self.tenants.len() - 1
        });
        self.tenants[at].site = site;
        self.tenants[at].waiting.push(done);
        self.certify();
        self.raise(at);
        self.show();
    }

    fn reload_all(&mut self, done: Done<Result<(), Failure>>) {
        let outcome = self.reload();
        let _ = done.send(outcome);
    }

    fn restart(&mut self, name: &str, hold: Option<Hold>, done: Done<Result<(), Failure>>) {
        let found = self.find(name).ok_or_else(|| self.unknown(name));
        let read = found.and_then(|at| Ok((at, self.read_one(name)?)));
        let (at, site) = match read {
            Ok(read) => read,
            Err(failure) => {
                let _ = done.send(Err(failure));
                return;
            }
        };
        let tenant = &mut self.tenants[at];
        if tenant.is_rising {
            let failure = Failure::new(format!("{name} is being started or deployed just now"));
            let _ = done.send(Err(
                failure.hint("wait for its end: `hotclub status` shows it")
            ));
            return;
        }
        tenant.site = site;
        tenant.waiting.push(done);
        let (standing, ground) = (tenant.standing.take(), tenant.ground.take());
        if standing.is_none() && ground.is_none() && hold.is_none() {
            return self.raise(at);
        }
        tenant.again = None;
        // Another one can only be raised when this one has let go of state and database.
        tenant.is_rising = true;
        tenant.since = SystemTime::now();
        let site = Arc::clone(&tenant.site);
        let (wish, stage) = (self.wish(&site), self.stage.clone());
        let console = self.console.of_site(name);
        self.show();
        self.raising.spawn(async move {
            match (standing, ground) {
                (Some(standing), _) => standing.leave().await,
                (None, Some(ground)) => ground.stop().await,
                (None, None) => {}
            }
            if let Some(hold) = hold {
                hold.wait().await;
            }
            let raised = raise(wish, None, stage, console).await;
            (site.name.clone(), raised, Then::Show)
        });
    }

    fn begin_trial(&mut self, trial: Trial) {
        let at = self.find(&trial.site.name).unwrap_or_else(|| {
            let mut tenant = Tenant::new(Arc::clone(&trial.site));
            tenant.is_new = true;
            self.tenants.push(tenant);
            self.tenants.len() - 1
        });
        match self.tenants[at].is_rising {
            true => self.tenants[at].trials.push_back(trial),
            false => self.attempt(at, trial),
        }
    }

    fn attempt(&mut self, at: usize, trial: Trial) {
        let tenant = &mut self.tenants[at];
        tenant.is_rising = true;
        tenant.again = None;
        let ground = tenant.stood_on();
        let (wish, stage) = (self.wish(&trial.site), self.stage.clone());
        self.raising.spawn(async move {
            let name = trial.site.name.clone();
            let raised = raise(wish, ground, stage, trial.console).await;
            (name, raised, Then::Tell(trial.done))
        });
    }

    fn tried(
        &mut self,
        name: &str,
        outcome: Result<Raised, Failure>,
        done: Done<Result<Raised, Failure>>,
    ) {
        let is_over = outcome.is_err();
        let told = done.send(outcome);
        if let Err(Ok(raised)) = told {
            // Whoever tried is gone.
            self.leaving.spawn(raised.give_up());
            self.trial_is_over(name);
        } else if is_over {
            self.trial_is_over(name);
        }
    }

    /// What stands goes on, and may be raised by others again.
    fn trial_is_over(&mut self, name: &str) {
        let Some(at) = self.find(name) else {
            return;
        };
        let tenant = &mut self.tenants[at];
        tenant.is_rising = false;
        if tenant.is_new && tenant.trials.is_empty() {
            self.tenants.remove(at);
            return;
        }
        if tenant.standing.is_none() && !tenant.is_new {
            tenant.again = Some(Instant::now() + tenant.pause());
        }
        self.next_for(at);
    }

    fn switch(&mut self, site: Arc<Site>, raised: Raised, done: Done<Instant>) {
        let Some(at) = self.find(&site.name) else {
            self.leaving.spawn(raised.leave());
            return;
        };
        let tenant = &mut self.tenants[at];
        tenant.site = site;
        tenant.is_new = false;
        tenant.is_rising = false;
        let processes = raised.replace_processes();
        tenant.ground = None;
        let old = tenant.stands(raised);
        self.show();
        self.certify();
        let stage = self.stage.clone();
        self.leaving.spawn(async move {
            stage.caught_up().await;
            let shown = Instant::now();
            if let Some(old) = old {
                old.retire().await;
            }
            processes.await;
            let _ = done.send(shown);
        });
        self.next_for(at);
    }

    fn dismiss(&mut self, name: &str, done: Done<bool>) {
        let Some(at) = self.find(name) else {
            let _ = done.send(false);
            return;
        };
        let gone = self.tenants.remove(at);
        self.show();
        self.certify();
        let stage = self.stage.clone();
        self.leaving.spawn(async move {
            match (gone.standing, gone.ground) {
                (Some(standing), _) => standing.leave().await,
                (None, Some(ground)) => ground.stop().await,
                (None, None) => {}
            }
            stage.caught_up().await;
            let _ = done.send(true);
        });
    }

    /// Reads all files again. A fault in any of them changes nothing.
    fn reload(&mut self) -> Result<(), Failure> {
        let wanted = self.source.read(self.console).map_err(|mut failure| {
            failure.message = format!("not reloaded, all goes on as before: {}", failure.message);
            self.console.failure(&failure);
            failure
        })?;
        self.systemd.reloading();
        self.default = wanted.default;
        self.users = wanted.users;
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
        let (trying, gone): (Vec<_>, Vec<_>) = before.into_iter().partition(|it| it.is_new);
        self.tenants.extend(trying);
        self.certify();
        for gone in gone {
            self.console
                .of_site(&gone.site.name)
                .note("it is no longer served");
            gone.leave(&mut self.leaving);
        }
        self.raise_all();
        self.show();
        self.is_told = false;
        Ok(())
    }

    /// Sees to the certificates of the sites as they are now.
    fn certify(&mut self) {
        let shown = self.tenants.iter().filter(|tenant| !tenant.is_new);
        let sites = shown.map(|tenant| &*tenant.site);
        match Certifier::start(sites, (self.stage.keyring(), &self.listeners), &self.state) {
            Ok(certifier) => {
                self.certifier = certifier;
                self.certifier.begin(&self.office);
            }
            Err(failure) => self.console.failure(&failure),
        }
    }

    /// Says what is served once every site was tried.
    async fn tell_once(&mut self) {
        let mut tried = self.tenants.iter().filter(|tenant| !tenant.is_new);
        if self.is_told || tried.any(|tenant| tenant.is_rising) {
            return;
        }
        self.is_told = true;
        self.stage.caught_up().await;
        let hosting = Hosting {
            urls: self.listeners.urls(),
            sites: self
                .tenants
                .iter()
                .filter(|tenant| !tenant.is_new)
                .map(Tenant::state)
                .collect(),
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
            if let Ok((_, Ok(raised), _)) = done {
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
    let has_app = wanted.sites.iter().any(|site| face::has_app(site));
    let threads = match (&opening.source, has_app) {
        // Nobody else needs the cores.
        (Source::Site(_), false) => crate::front_threads_alone(),
        _ => {
            let threads = wanted.sites.iter().map(|site| site.app.threads as usize);
            crate::front_threads(threads.max().unwrap_or(1))
        }
    };
    let log = opening.log.take();
    if let Some(Separation { user, can_mount }) = opening.apart {
        let (apart, how) = Apart::open(apart::Opening {
            threads,
            limits: wanted.limits.clone(),
            server: wanted.server.clone(),
            log,
            visits: Arc::clone(&opening.visits),
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
