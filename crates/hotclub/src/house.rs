//! A front with one generation behind it: starts, reloads, grows, shrinks, ends.
//!
//! `hotclub serve` and `hotclub up` run one house each; what differs between them is in the [`Plan`].

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hotclub_app::{AppFailure, Contained, Generation, Lane, Place, Spec, StartError, View};
use hotclub_front::{Front, Observer, Table};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::console::{Console, Event, Failure};
use crate::host::stage::Stage;
use crate::listeners::Listeners;
use crate::metrics::{self, Exposed, Reloads};
use crate::probe::Probe;
use crate::processes::{Keeper, Processes};
use crate::signals::{Order, Signals};
use crate::systemd::Systemd;
use crate::tuning;
use crate::upgrade::{Asker, Upgrade};
use crate::watch::Watch;
use crate::watchdog;

/// After a hand-over: clients of kept connections have so long to send one more request, and are told with its
/// answer to come again. A client that finds its connection closed may believe that its request was lost.
const FAREWELL: Duration = Duration::from_secs(2);

/// Makes the image that a reload starts from; how a fork server comes into a container of it.
pub(crate) type Renew = Arc<dyn Fn() -> Renewing + Send + Sync>;
pub(crate) type Renewing = Pin<Box<dyn Future<Output = Result<Contained, Failure>> + Send>>;

/// How a generation is made and what the front shows of it.
pub(crate) struct Plan {
    /// The site's name.
    pub(crate) site: String,
    pub(crate) spec: Spec,
    /// Asked before a generation serves; `serve` asks nothing, as Gunicorn does not.
    pub(crate) probe: Option<Probe>,
    pub(crate) table: Box<dyn Fn(Vec<Lane>) -> Result<Table, Failure> + Send>,
    /// For requests under way when a generation or the program ends.
    pub(crate) graceful_timeout: Duration,
    /// What runs beside the app, and who keeps it running.
    pub(crate) beside: Option<(Arc<Keeper>, Processes)>,
    /// Takes the whole traceback of an app that cannot be imported; people are shown the end of it.
    /// `None`: a new temporary file.
    pub(crate) traceback: Option<PathBuf>,
    /// When the code is in an image.
    pub(crate) renew: Option<Renew>,
}

impl Plan {
    /// Starts a generation, whatever becomes of the plan. Dropped before its end, it leaves nothing running.
    /// `renew`: from the code as it is now.
    fn start(
        &self,
        front: &Front,
        console: &Console,
        renew: Option<&Renew>,
    ) -> impl Future<Output = Result<Generation, Failure>> + Send + use<> {
        let (mut spec, probe) = (self.spec.clone(), self.probe.clone());
        let (traceback, renew) = (self.traceback.clone(), renew.cloned());
        let place = Place::Here(front.runtimes().to_vec());
        let console = console.beside();
        async move {
            if let Some(renew) = renew {
                spec.launch.contained = Some(renew().await?);
            }
            let beginning = Beginning {
                spec: &spec,
                probe: probe.as_ref(),
                traceback: traceback.as_deref(),
                place: &place,
                stage: None,
            };
            tuning::start(beginning, &console).await
        }
    }
}

/// Front and generation while they serve.
pub(crate) struct House {
    plan: Plan,
    front: Front,
    generation: Generation,
    number: u64,
    workers: usize,
    /// The next generation on its way up, beside everything else.
    rising: JoinSet<(Instant, Result<Generation, Failure>)>,
    /// There was another reason to reload while it was.
    reload_again: bool,
    /// Old generations on their way out.
    leaving: JoinSet<()>,
    /// Becomes true when they are to be killed.
    hurry: watch::Sender<bool>,
    /// Closed when the end begins, so that new visitors are refused and do not wait in a backlog.
    listeners: Listeners,
    systemd: Systemd,
    /// What systemd shows of us while we serve.
    status: String,
    /// The generation that serves, for those who look at it.
    view: watch::Sender<View>,
    reloads: Arc<Reloads>,
    metrics: Exposed,
}

impl House {
    /// Starts the first generation and shows it to the front, which accepts nothing yet.
    pub(crate) async fn start(
        plan: Plan,
        front: Front,
        systemd: &Systemd,
        console: &Console,
    ) -> Result<Self, Failure> {
        let generation = plan.start(&front, console, None).await?;
        front.swap(Arc::new((plan.table)(generation.lanes())?));
        let workers = plan.spec.policy.workers;
        let view = watch::Sender::new(generation.view());
        Ok(Self {
            plan,
            front,
            generation,
            number: 1,
            workers,
            rising: JoinSet::new(),
            reload_again: false,
            leaving: JoinSet::new(),
            hurry: watch::Sender::new(false),
            listeners: Listeners::default(),
            systemd: systemd.clone(),
            status: String::new(),
            view,
            reloads: Arc::default(),
            metrics: Exposed::default(),
        })
    }

    pub(crate) fn generation(&self) -> &Generation {
        &self.generation
    }

    /// A look at the front.
    pub(crate) fn observer(&self) -> Observer {
        self.front.observer()
    }

    /// From here on visitors are let in.
    pub(crate) fn open(&mut self, listeners: Listeners) {
        listeners
            .iter()
            .for_each(|listener| self.front.accept(listener));
        self.status = format!("serving {}", listeners.urls().join(" "));
        self.listeners = listeners;
        let processes = self.replace_processes();
        self.leaving.spawn(processes);
    }

    /// Ends what runs beside the app, and starts it anew.
    fn replace_processes(&self) -> impl Future<Output = ()> + Send + use<> {
        let beside = self.plan.beside.clone();
        async move {
            if let Some((keeper, processes)) = beside {
                keeper.replace(processes).await;
            }
        }
    }

    /// From here on whoever may reach this socket is told what happens here.
    pub(crate) fn expose(&mut self, listeners: Listeners) {
        let spec = &self.plan.spec;
        let app = metrics::App {
            site: self.plan.site.clone(),
            counts: Arc::clone(&spec.counts),
            reloads: Arc::clone(&self.reloads),
            view: self.view.subscribe(),
        };
        let sources = metrics::Sources {
            front: self.front.observer(),
            buffers: Arc::clone(&spec.buffers),
            apps: vec![app],
            started: SystemTime::now(),
        };
        self.metrics = Exposed::start(listeners, &sources);
    }

    /// Whatever is on its way up will not be needed.
    async fn give_up_rising(&mut self) {
        self.rising.abort_all();
        while let Some(done) = self.rising.join_next().await {
            if let Ok((_, Ok(mut generation))) = done {
                generation.kill().await;
            }
        }
    }

    fn close(&mut self) {
        self.front.stop_accepting();
        self.listeners = Listeners::default();
    }

    /// Serves until a signal says otherwise.
    pub(crate) async fn run(
        mut self,
        console: &Console,
        signals: &mut Signals,
        mut watch: Option<Watch>,
        mut upgrade: Option<Upgrade>,
    ) -> Result<(), Failure> {
        self.systemd.ready(&self.status);
        let runtimes = self.front.runtimes().to_vec();
        let _watchdog = watchdog::start(&self.systemd, runtimes, self.view.subscribe());
        loop {
            tokio::select! {
                order = signals.next() => match order {
                    Order::Stop(name) => {
                        give_up(&mut upgrade).await;
                        return self.stop(console, signals, name).await;
                    }
                    Order::Quit => {
                        give_up(&mut upgrade).await;
                        return self.quit(console).await;
                    }
                    Order::Upgrade => self.upgrade(console, &mut upgrade),
                    Order::Reload => self.reload(console),
                    Order::More => self.set_workers(self.workers + 1),
                    Order::Fewer => self.set_workers(self.workers.saturating_sub(1).max(1)),
                    Order::Reopen => self.front.reopen_log(),
                },
                () = changed(&mut watch) => self.reload(console),
                Some(Ok((began, outcome))) = self.rising.join_next() => {
                    self.risen(console, began, outcome);
                }
                outcome = succession(&mut upgrade) => match outcome {
                    Ok(pid) => {
                        self.systemd.main_pid(pid);
                        let asker = upgrade.take().and_then(|upgrade| upgrade.asker);
                        asker.into_iter().for_each(|asker| asker.serves(pid));
                        return self.hand_over(console, signals, pid).await;
                    }
                    Err(failure) => {
                        let asker = upgrade.as_mut().and_then(|upgrade| upgrade.asker.take());
                        not_upgraded(console, failure, asker);
                    }
                },
                () = self.generation.gone() => {
                    return Err(Failure::new("the fork server ended by itself")
                        .hint("its last words are above; start again, and report it if it happens again"));
                }
                Some(_) = self.leaving.join_next() => {}
            }
        }
    }

    fn set_workers(&mut self, workers: usize) {
        self.workers = workers;
        self.plan.spec.policy.workers = workers;
        self.generation.set_workers(workers);
        tracing::info!(workers, "the number of workers is changed");
    }

    /// Starts a new generation beside the old one. Everything else goes on meanwhile; whoever wants another reload
    /// then gets it afterwards, for what is being imported may be older than what made them ask.
    fn reload(&mut self, console: &Console) {
        if !self.rising.is_empty() {
            tracing::info!("another reload follows the one under way");
            self.reload_again = true;
            return;
        }
        self.systemd.reloading();
        let renew = self.plan.renew.as_ref();
        let (began, start) = (Instant::now(), self.plan.start(&self.front, console, renew));
        self.rising.spawn(async move { (began, start.await) });
    }

    fn risen(&mut self, console: &Console, began: Instant, outcome: Result<Generation, Failure>) {
        self.switch(console, began, outcome);
        if std::mem::take(&mut self.reload_again) {
            self.reload(console);
        }
    }

    /// The switch, then the old generation drains. If the new one failed, the old one never noticed.
    fn switch(&mut self, console: &Console, began: Instant, started: Result<Generation, Failure>) {
        let made = match started {
            Ok(generation) => {
                (self.plan.table)(generation.lanes()).map(|table| (generation, table))
            }
            Err(failure) => Err(failure),
        };
        let (generation, table) = match made {
            Ok(made) => made,
            Err(mut failure) => {
                failure.message =
                    format!("not reloaded, the old code goes on: {}", failure.message);
                self.systemd
                    .ready(&format!("{}, {}", self.status, failure.message));
                self.reloads.add(false);
                return console.failure(&failure);
            }
        };
        self.front.swap(Arc::new(table));
        let old = std::mem::replace(&mut self.generation, generation);
        if old.loaded().tuned != self.generation.loaded().tuned {
            tuning::report(self.generation.loaded(), console);
        }
        self.view.send_replace(self.generation.view());
        self.systemd.ready(&self.status);
        // Changed while it was on its way up.
        self.generation.set_workers(self.workers);
        let (grace, mut hurry) = (self.plan.graceful_timeout, self.hurry.subscribe());
        let processes = self.replace_processes();
        self.leaving.spawn(async move {
            let hurry = async {
                // An error means that the house is gone.
                let _ = hurry.wait_for(|hurry| *hurry).await;
            };
            if old.drain_unless(grace, hurry).await {
                tracing::warn!(?grace, "workers of the old generation had to be killed");
            }
            processes.await;
        });
        self.reloads.add(true);
        self.number += 1;
        let seconds = began.elapsed().as_secs_f64();
        let event = Event::Reloaded {
            generation: self.number,
            seconds,
        };
        console.event(&event, &format!("reloaded in {seconds:.2} s"));
    }

    /// Lets go of the listeners, finishes requests, ends the workers. A second signal hurries.
    async fn stop(
        self,
        console: &Console,
        signals: &mut Signals,
        signal: &'static str,
    ) -> Result<(), Failure> {
        let human = format!("{signal}: finishing requests; once more to hurry");
        console.event(&Event::Stopping { signal }, &human);
        self.systemd.stopping(&human);
        let hurry = async {
            signals.stop().await;
        };
        self.drain(hurry).await;
        Ok(())
    }

    fn upgrade(&self, console: &Console, upgrade: &mut Option<Upgrade>) {
        let begun = match upgrade {
            Some(upgrade) => upgrade.begin(&self.listeners, self.metrics.listeners(), self.workers),
            None => Err(Failure::new("`hotclub up` is not replaced while it runs")
                .hint("stop it and start it again; its database goes with it")),
        };
        let asker = Asker::find();
        match (begun, upgrade) {
            (Ok(()), Some(upgrade)) => {
                tracing::info!("a new program is started to take over");
                upgrade.asker = asker;
            }
            (Ok(()), None) => {}
            (Err(failure), _) => not_upgraded(console, failure, asker),
        }
    }

    /// Leaves visitors to the new program, and finishes what is under way.
    async fn hand_over(
        mut self,
        console: &Console,
        signals: &mut Signals,
        pid: u32,
    ) -> Result<(), Failure> {
        let human = format!("process {pid} serves from here on: finishing requests");
        console.event(&Event::HandedOver { pid }, &human);
        self.metrics.hand_over();
        self.listeners.keep_paths();
        self.close();
        self.front.dismiss();
        tokio::select! {
            () = tokio::time::sleep(FAREWELL) => {}
            _ = signals.stop() => {}
        }
        let hurry = async {
            signals.stop().await;
        };
        self.drain(hurry).await;
        Ok(())
    }

    async fn drain(mut self, hurry: impl Future<Output = ()>) {
        self.close();
        if let Some((keeper, _)) = self.plan.beside.clone() {
            self.leaving.spawn(async move { keeper.stop().await });
        }
        self.give_up_rising().await;
        let grace = self.plan.graceful_timeout;
        tokio::pin!(hurry);
        tokio::select! {
            () = self.front.drain(Instant::now() + grace) => {}
            () = &mut hurry => return self.kill().await,
        }
        if self.generation.drain_unless(grace, &mut hurry).await {
            tracing::warn!("workers had to be killed");
            self.hurry.send_replace(true);
            gone(&mut self.leaving).await;
        } else {
            tokio::select! {
                () = gone(&mut self.leaving) => {}
                () = hurry => {}
            }
            self.hurry.send_replace(true);
            gone(&mut self.leaving).await;
        }
        // Its threads end quickly; the access log is flushed.
        let _ended = tokio::task::spawn_blocking(move || self.front.kill()).await;
    }

    async fn quit(mut self, console: &Console) -> Result<(), Failure> {
        console.event(
            &Event::Stopping { signal: "SIGQUIT" },
            "SIGQUIT: ending at once",
        );
        self.systemd.stopping("ending at once");
        self.close();
        self.give_up_rising().await;
        self.kill().await;
        Ok(())
    }

    /// Ends every generation at once; killed here and not left to be dropped, for nobody may outlive us.
    async fn kill(&mut self) {
        self.hurry.send_replace(true);
        if let Some((keeper, _)) = &self.plan.beside {
            keeper.hurry();
            keeper.stop().await;
        }
        self.generation.kill().await;
        gone(&mut self.leaving).await;
    }
}

/// Returns when the last of them has left.
async fn gone(leaving: &mut JoinSet<()>) {
    while leaving.join_next().await.is_some() {}
}

/// The outcome of an upgrade that is under way.
async fn succession(upgrade: &mut Option<Upgrade>) -> Result<u32, Failure> {
    match upgrade {
        Some(upgrade) => upgrade.outcome().await,
        None => std::future::pending().await,
    }
}

async fn give_up(upgrade: &mut Option<Upgrade>) {
    if let Some(upgrade) = upgrade {
        upgrade.give_up().await;
    }
}

fn not_upgraded(console: &Console, mut failure: Failure, asker: Option<Asker>) {
    asker
        .into_iter()
        .for_each(|asker| asker.failed(failure.clone()));
    failure.message = format!("not upgraded, the old program goes on: {}", failure.message);
    console.failure(&failure);
}

async fn changed(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// What a generation is started with.
#[derive(Clone, Copy)]
pub(crate) struct Beginning<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) probe: Option<&'a Probe>,
    pub(crate) traceback: Option<&'a Path>,
    pub(crate) place: &'a Place,
    /// Where the lanes are, if not with us.
    pub(crate) stage: Option<&'a Stage>,
}

/// Why a generation did not come to serve.
pub(crate) struct NotStarted {
    pub(crate) failure: Failure,
    /// Whether settings had been tuned, which may be why.
    pub(crate) tuned: bool,
}

/// Starts a generation and asks it one request.
pub(crate) async fn start_generation(beginning: Beginning<'_>) -> Result<Generation, NotStarted> {
    let Beginning {
        spec,
        probe,
        traceback,
        place,
        stage,
    } = beginning;
    let generation = Generation::start(spec.clone(), place)
        .await
        .map_err(|error| NotStarted {
            tuned: tuning::may_have_failed(&error, spec),
            failure: start_failure(&error, spec, traceback),
        })?;
    let threads = &generation.loaded().threads;
    if !threads.is_empty() {
        tracing::warn!(
            threads = threads.join(", "),
            "the app started threads while it was imported; they do not exist in the workers \
             (start them lazily, or use --no-preload)"
        );
    }
    if let Some(probe) = probe
        && let Err(failure) = ask(&generation, probe, stage).await
    {
        let tuned = tuning::is_tuned(&generation.loaded().tuned, spec);
        generation.drain(Duration::from_secs(1)).await;
        let failure = failure
            .hint("the app's own traceback is above, if it raised; else see what it printed");
        return Err(NotStarted { failure, tuned });
    }
    Ok(generation)
}

async fn ask(generation: &Generation, probe: &Probe, stage: Option<&Stage>) -> Result<(), Failure> {
    if let Some(stage) = stage {
        return stage.probe(generation, probe).await;
    }
    if let Some(lane) = generation.lanes().first() {
        probe.ask(lane).await?;
    }
    Ok(())
}

fn start_failure(error: &StartError, spec: &Spec, traceback: Option<&Path>) -> Failure {
    match error {
        StartError::App(failure) => Failure {
            log: kept(&failure.traceback, traceback),
            ..app_failure(failure, spec)
        },
        StartError::Python { error: cause, .. }
            if spec.launch.run_as.is_some() && cause.kind() == ErrorKind::PermissionDenied =>
        {
            Failure::new(error.to_string()).hint(
                "the user that the workers run as cannot reach it: choose another with --python, \
                 or let others pass the folders above it",
            )
        }
        StartError::Python { python, .. } => Failure::new(error.to_string())
            .hint(format!("is {} a Python interpreter?", python.display())),
        StartError::ImportTimeout(_) => Failure::new(error.to_string())
            .hint("something the app does at import waits: a network, a lock, an input?"),
        StartError::Ended(_) if spec.launch.contained.is_some() => {
            Failure::new(error.to_string()).hint(
                "what the container said is above; its ENTRYPOINT has to end with `exec \"$@\"`, and \
                 `python` has to be on its PATH (or name it: python = \"/path/in/it\" under [app])",
            )
        }
        StartError::Silent(_) if spec.launch.contained.is_some() => {
            Failure::new("the container has started, but no fork server came out of its ENTRYPOINT")
                .hint("does the ENTRYPOINT wait for something that never comes? It has to end with `exec \"$@\"`")
        }
        StartError::Ended(_) => Failure::new(error.to_string()).hint(format!(
            "is {} a Python interpreter, and what did it say above?",
            spec.launch.python.display()
        )),
        _ => Failure::new(error.to_string()),
    }
}

/// The file, if the traceback could be written to it.
fn kept(text: &str, file: Option<&Path>) -> Option<PathBuf> {
    let Some(file) = file else {
        // A name that nobody can foresee: others may write to this folder.
        let fresh = tempfile::Builder::new()
            .prefix("hotclub-")
            .suffix(".log")
            .tempfile();
        let (mut file, path) = fresh.ok()?.keep().ok()?;
        return file.write_all(text.as_bytes()).is_ok().then_some(path);
    };
    let written = file
        .parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(file, text));
    written.is_ok().then(|| file.to_owned())
}

/// The app's own traceback, shortened to the user's frames.
fn app_failure(failure: &AppFailure, spec: &Spec) -> Failure {
    let frames = failure.frames.iter().map(|frame| {
        format!(
            "{}:{} in {}\n    {}",
            frame.file,
            frame.line,
            frame.function,
            frame.code.trim()
        )
    });
    let mut detail: Vec<String> = frames.collect();
    detail.push(format!("{}: {}", failure.kind, failure.message));
    let said = Failure::new(format!("the app {} cannot be imported", spec.app));
    let said = said.detail(detail.join("\n"));
    match failure.kind.as_str() {
        "ModuleNotFoundError" => said.hint(format!(
            "is the package installed in {}, and is {} the folder to import from (--chdir)?",
            spec.launch.python.display(),
            spec.chdir.display()
        )),
        "AttributeError" | "AppNotFound" => {
            said.hint("MODULE:ATTRIBUTE must name the WSGI application in the module")
        }
        _ => said.hint(
            "the app's own code raised this while it was imported: mend it there, and start again",
        ),
    }
}
