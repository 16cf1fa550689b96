//! One site of several: raised by the steps that `up` takes, and let down again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hotclub_app::{Generation, View};
use hotclub_config::Site;
use hotclub_django::bytecode;
use hotclub_supervise::RunAs;

use super::stage::{Part, Ready, Stage};
use crate::check;
use crate::console::{Console, Failure};
use crate::db::daily::Daily;
use crate::db::is_daily;
use crate::face::{self, Face};
use crate::journal::Journal;
use crate::own_log::OwnLog;
use crate::processes::{Keeper, ProcessView, Processes};
use crate::project::{Project, State, is_contained};
use crate::releases::{self, Release};
use crate::tuning;
use crate::up::database::{self, Database};
use crate::up::{self, app, release, site};
use crate::users;

/// A site that can be shown.
#[derive(Debug)]
pub(super) struct Raised {
    /// As it is shown.
    pub(super) ready: Ready,
    app: Option<Running>,
}

/// An app that serves.
#[derive(Debug)]
struct Running {
    generation: Generation,
    ground: Arc<Ground>,
    grace: Duration,
    /// Started once it is shown.
    processes: Processes,
}

/// What an app stands on and a reload keeps: its state folder, whose lock is held, its database, what runs beside
/// it, and its log.
#[derive(Debug)]
pub(super) struct Ground {
    state: State,
    database: Database,
    keeper: Arc<Keeper>,
    journal: Arc<Journal>,
    daily: Mutex<Daily>,
}

/// What is to be raised.
pub(super) struct Wish {
    pub(super) site: Arc<Site>,
    /// Whom its code runs as, if that is said.
    pub(super) user: Option<String>,
    /// Where its state is kept if not in its folder.
    pub(super) state: PathBuf,
}

/// Takes a site from its file to an app that answered its first request; `ground` is of its state before.
pub(super) async fn raise(
    Wish { site, user, state }: Wish,
    ground: Option<Arc<Ground>>,
    stage: Stage,
    console: Console,
) -> Result<Raised, Failure> {
    if !face::has_app(&site) {
        let state = State::folder_without_app(&site);
        let log = OwnLog::of(&site, user.as_deref())?;
        let face = Face::new(site, Vec::new())?.kept_in(&state).logged(log);
        let ready = stage.ready(&face, None).await?;
        return Ok(Raised { ready, app: None });
    }
    let log = OwnLog::of(&site, user.as_deref())?;
    let user = user_of(&site, user.as_deref())?;
    let mut project = Project::find(Site::clone(&site), None)?;
    project.user = user;
    project.elsewhere = Some(state);
    let (ground, is_new) = match ground {
        Some(ground) => {
            let state = ground.state.of(&project);
            project.install(&state, &console).await?;
            database::resettle(&mut project, &state, &console, &ground.database).await?;
            (ground, false)
        }
        None => {
            let state = State::open(&project)?;
            project.install(&state, &console).await?;
            project.tidy_containers().await?;
            let database = database::settle(&mut project, &state, &console).await?;
            let keeper = Keeper::new(&state.dir);
            let journal = Journal::new(&state.log());
            let ground = Ground {
                state,
                database,
                keeper,
                journal,
                daily: Mutex::default(),
            };
            (Arc::new(ground), true)
        }
    };
    project.keep_media()?;
    let raised = start((&project, log), &ground, &stage, &console).await;
    match raised {
        Ok((ready, generation, processes)) => Ok(Raised {
            ready,
            app: Some(Running {
                generation,
                ground,
                grace: site.app.graceful_timeout,
                processes,
            }),
        }),
        Err(failure) => {
            if is_new {
                ground.stop().await;
            }
            Err(failure)
        }
    }
}

/// Whom the site's code runs as; in a container the image says that.
fn user_of(site: &Site, named: Option<&str>) -> Result<Option<RunAs>, Failure> {
    match (is_contained(site), named) {
        (false, _) => users::of_site(site, named),
        (true, None) => Ok(None),
        (true, Some(name)) => Err(Failure::new(format!(
            "[users] names {name} for {}, whose app runs in containers",
            site.name
        ))
        .hint("remove it from [users]: the image's USER is whom its containers run as")),
    }
}

async fn start(
    (project, log): (&Project, Option<OwnLog>),
    ground: &Ground,
    stage: &Stage,
    console: &Console,
) -> Result<(Ready, Generation, Processes), Failure> {
    let (state, database) = (&ground.state.of(project), &ground.database);
    up::fit(project, console)?;
    let as_us = project.user.is_none() && project.contained.is_none();
    if as_us && rustix::process::geteuid().is_root() {
        console.note("running as root, and so does the app: on a server, use a user of its own");
    }
    deployed(project, state, console).await?;
    let statics = release::run(project, state, database, console).await?;
    console.begin("app");
    let detected = site::detected(project, &statics)?;
    let face = Face::new(Arc::new(project.site.clone()), detected)?;
    let face = face.kept_in(&state.dir).logged(log);
    let mut spec = app::spec(project, state, &statics, stage.buffers())?;
    spec.launch.output = Some(Arc::new(ground.journal.take("app")?));
    let processes = Processes::of(project, Some(&ground.journal))?;
    let probe = app::probe(project);
    let traceback = state.dir.join("log/app.log");
    let part = Part {
        spec: &spec,
        probe: Some(&probe),
        traceback: Some(&traceback),
    };
    let started = stage.start(part, console).await?;
    match stage.ready(&face, Some(&started)).await {
        Ok(ready) => {
            console.done(&app::summary(project, &started));
            tuning::report(started.loaded(), console);
            ground.keep_backups(project);
            Ok((ready, started, processes))
        }
        Err(failure) => {
            started.drain(Duration::ZERO).await;
            Err(failure)
        }
    }
}

/// What is asked of a release before it serves for the first time.
async fn deployed(project: &Project, state: &State, console: &Console) -> Result<(), Failure> {
    let Some(release) = state.release.as_ref().filter(|release| !release.is_fit()) else {
        return Ok(());
    };
    for place in releases::data::keep(release, project)? {
        console.note(&format!(
            "{} is kept from release to release",
            place.display()
        ));
    }
    if project.contained.is_none() {
        bytecode::compile(project.app()?).await;
    }
    console.begin("check");
    let said = check::django_check(project.app()?).await?;
    let summary = said.lines().rev().find(|line| !line.trim().is_empty());
    console.done(summary.unwrap_or("no issues"));
    Ok(())
}

impl Ground {
    /// A backup each day, if the site wants one, of whatever is live then.
    fn keep_backups(&self, project: &Project) {
        let release = self.state.of(project).release;
        let home = release.as_ref().and_then(Release::home);
        let dir = match home {
            Some(home) => home.live_source(),
            None => project.site.dir.clone(),
        };
        let (wanted, backups) = (
            is_daily(project, &self.database),
            self.state.dir.join("backups"),
        );
        self.daily().want(wanted, &dir, &backups);
    }

    fn daily(&self) -> MutexGuard<'_, Daily> {
        self.daily.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn stop(&self) {
        self.daily().end();
        self.keeper.stop().await;
        self.database.stop().await;
    }

    /// The same at once.
    pub(super) async fn quit(&self) {
        self.daily().end();
        self.keeper.hurry();
        self.keeper.stop().await;
        self.database.kill().await;
    }
}

impl Raised {
    /// What goes on under a newer state of the site.
    pub(super) fn ground(&self) -> Option<Arc<Ground>> {
        self.app.as_ref().map(|app| Arc::clone(&app.ground))
    }

    /// Returns when the app cannot serve any longer.
    pub(super) async fn fell(&self) -> Failure {
        let Some(app) = &self.app else {
            return std::future::pending().await;
        };
        tokio::select! {
            failure = app.ground.database.fell() => failure,
            () = app.generation.gone() => Failure::new("the fork server ended by itself")
                .hint("its last words are above"),
        }
    }

    /// Nobody can reach its app any more; another generation will stand on the same ground.
    pub(super) async fn cut_off(self) {
        if let Some(mut app) = self.app {
            app.generation.kill().await;
        }
    }

    /// Requests under way are finished, another generation serves on the same ground.
    pub(super) async fn retire(self) {
        if let Some(app) = self.app
            && app.generation.drain(app.grace).await
        {
            tracing::warn!(grace = ?app.grace, "workers of the old generation had to be killed");
        }
    }

    /// It was never shown; what it stands on may be another's, too.
    pub(super) async fn give_up(self) {
        let Some(app) = self.app else {
            return;
        };
        app.generation.drain(Duration::ZERO).await;
        if let Some(ground) = Arc::into_inner(app.ground) {
            ground.stop().await;
        }
    }

    /// Starts what runs beside the app, in place of what ran beside the one before. Returns once that has ended.
    pub(super) fn replace_processes(&self) -> impl Future<Output = ()> + Send + use<> {
        let app = self.app.as_ref();
        let of = app.map(|app| (Arc::clone(&app.ground.keeper), app.processes.clone()));
        async move {
            if let Some((keeper, processes)) = of {
                keeper.replace(processes).await;
            }
        }
    }

    pub(super) fn processes(&self) -> Vec<ProcessView> {
        let app = self.app.as_ref();
        app.map_or_else(Vec::new, |app| app.ground.keeper.views())
    }

    pub(super) fn journal(&self) -> Option<Arc<Journal>> {
        let app = self.app.as_ref()?;
        Some(Arc::clone(&app.ground.journal))
    }

    /// Where its state is kept.
    pub(super) fn folder(&self) -> Option<PathBuf> {
        let app = self.app.as_ref()?;
        Some(app.ground.state.dir.clone())
    }

    /// Whether a backup is made each day.
    pub(super) fn keeps_backups(&self) -> bool {
        let app = self.app.as_ref();
        app.is_some_and(|app| app.ground.daily().is_wanted())
    }

    /// A look at the generation.
    pub(super) fn view(&self) -> Option<View> {
        self.app.as_ref().map(|app| app.generation.view())
    }

    /// Requests under way are finished, then the database ends.
    pub(super) async fn leave(self) {
        let ground = self.ground();
        self.retire().await;
        if let Some(ground) = ground {
            ground.stop().await;
        }
    }

    /// The same at once.
    pub(super) async fn quit(self) {
        if let Some(mut app) = self.app {
            app.generation.kill().await;
            app.ground.quit().await;
        }
    }

    /// How long requests under way may take.
    pub(super) fn grace(&self) -> Duration {
        self.app.as_ref().map_or(Duration::ZERO, |app| app.grace)
    }
}
