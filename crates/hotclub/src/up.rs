//! `hotclub up [DIR]`: from a folder to a served site. One step after another, each skipped when
//! nothing changed since the last start.

pub(crate) mod app;
pub(crate) mod boxed;
pub(crate) mod database;
pub(crate) mod release;
pub(crate) mod site;

use std::path::Path;
use std::time::{Duration, Instant};

use hotclub_config::{LogFormat, Site};
use hotclub_front::{AccessLog, Format, Front, Rotation, Sink};

use crate::cache::Desk;
use crate::cli::UpArgs;
use crate::console::{Console, Event, Failure, Serving};
use crate::face;
use crate::host;
use crate::house::House;
use crate::https::{Certifier, clerk};
use crate::listeners::Listeners;
use crate::metrics;
use crate::owner::Owner;
use crate::project::{Project, State};
use crate::signals::Signals;
use crate::systemd::Systemd;
use crate::tuning;
use crate::users;
use crate::watch::Watch;
use database::Database;

/// PostgreSQL writes what it has in memory before it ends.
pub(crate) const DATABASE_GRACE: Duration = Duration::from_secs(60);

pub(crate) async fn run(
    args: &UpArgs,
    console: &Console,
    systemd: &Systemd,
    owner: &Owner,
) -> Result<(), Failure> {
    let site = crate::site_file::load(&args.dir, console)?;
    if !face::has_app(&site) {
        return host::alone(site, args, console, systemd, owner).await;
    }
    let mut signals = Signals::listen()?;
    let mut database = Database::None;
    let beginning = Beginning {
        args,
        console,
        systemd,
        owner,
    };
    let outcome = Box::pin(serve(beginning, site, &mut signals, &mut database)).await;
    tokio::select! {
        () = database.stop() => {}
        _ = signals.stop() => database.kill().await,
    }
    if outcome.is_ok() {
        console.event(&Event::Stopped, "stopped");
    }
    outcome
}

/// How we were started, and by whom.
#[derive(Clone, Copy)]
struct Beginning<'a> {
    args: &'a UpArgs,
    console: &'a Console,
    systemd: &'a Systemd,
    owner: &'a Owner,
}

async fn serve(
    beginning: Beginning<'_>,
    site: Site,
    signals: &mut Signals,
    database: &mut Database,
) -> Result<(), Failure> {
    let Beginning { args, console, .. } = beginning;
    let began = Instant::now();
    let name = site.name.clone();
    let prepared = tokio::select! {
        prepared = prepare(beginning, site, database) => prepared?,
        _ = signals.stop() => return Ok(()),
    };
    let Prepared {
        mut house,
        listeners,
        metrics,
        mut serving,
        watch,
        daily,
        mut certifier,
        _state,
    } = prepared;
    let daily = crate::db::daily::keep_up(&args.dir, _state.dir.join("backups"), daily);
    let _desk = Desk::open(&_state.dir, &name, house.observer())?;
    house.open(listeners);
    house.expose(metrics);
    certifier.begin(&clerk::office(users::of_clerk()));
    serving.seconds = began.elapsed().as_secs_f64();
    console.serving(&serving);
    tokio::select! {
        outcome = house.run(console, signals, watch, None) => outcome,
        failure = database.fell() => Err(failure),
        failure = daily => Err(failure),
    }
}

/// All that serves, before it is let loose.
struct Prepared {
    house: House,
    listeners: Listeners,
    metrics: Listeners,
    serving: Serving,
    watch: Option<Watch>,
    /// A backup each day.
    daily: bool,
    certifier: Certifier,
    /// Its lock is held for as long as we run.
    _state: State,
}

async fn prepare(
    beginning: Beginning<'_>,
    site: Site,
    database: &mut Database,
) -> Result<Prepared, Failure> {
    let Beginning {
        args,
        console,
        systemd,
        owner,
    } = beginning;
    systemd.status("preparing environment, database and files");
    let addresses = if args.listen.is_empty() {
        &site.server.listen
    } else {
        &args.listen
    };
    let listeners = Listeners::activated_or_open(systemd, addresses, "--listen")?;
    let wanted = args.metrics.as_ref().or(site.server.metrics.as_ref());
    let metrics = metrics::open(wanted)?;
    owner.become_them()?;

    let mut project = Project::find(site, args.workers)?;
    let state = State::open(&project)?;
    project.install(&state, console).await?;
    project.tidy_containers().await?;
    *database = database::settle(&mut project, &state, console).await?;
    project.keep_media()?;
    owner.tell(console);
    fit(&project, console)?;
    let statics = release::run(&project, &state, database, console).await?;

    console.begin("app");
    systemd.status("importing the app");
    let buffers = site::buffers(&project.site.limits, &state.dir)?;
    let plan = app::plan(&project, &state, &statics, &buffers)?;
    let log = access_log(&project.site.log, args.json)?;
    let front = Front::start(site::front_options(&project.site, log, buffers)?)?;
    let certifier = Certifier::start([&project.site], (front.keyring(), &listeners), &state.dir)?;
    let house = House::start(plan, front, systemd, console).await?;
    console.done(&app::summary(&project, house.generation()));
    tuning::report(house.generation().loaded(), console);

    let watch = (args.reload || project.site.app.reload)
        .then(|| Watch::start(&project.found.root))
        .transpose()?;
    let serving = Serving {
        urls: listeners.urls(),
        app: project.app_name()?,
        django: Some(project.inspection.django.clone()),
        python: project.inspection.python.clone(),
        workers: project.workers,
        threads: project.site.app.threads as usize,
        database: Some(database.described(&project)),
        static_files: statics.described(),
        metrics: metrics::url(&metrics),
        media: site::media(&project).map(|(url, folder)| site::described(&url, &folder, &project)),
        seconds: 0.0,
        pid: std::process::id(),
    };
    Ok(Prepared {
        house,
        listeners,
        metrics,
        serving,
        watch,
        daily: crate::db::is_daily(&project, database),
        certifier,
        _state: state,
    })
}

/// Stops at what cannot work and warns of what should not be.
pub(crate) fn fit(project: &Project, console: &Console) -> Result<(), Failure> {
    if let Some(missing) = project.inspection.missing.first() {
        let message = format!(
            "{} needs the module {}, which is not installed",
            missing.needed_by, missing.module
        );
        return Err(Failure::new(message).hint(format!(
            "add {} to the project's dependencies",
            missing.package
        )));
    }
    if let Some(other) = &project.inspection.wsgi_settings {
        console.warning(
            &format!(
                "manage.py chooses {}, wsgi.py {other}: the first is served",
                project.inspection.settings
            ),
            Some(&format!(
                "to serve the other: `settings = \"{other}\"` under [app] in hotclub.toml"
            )),
        );
    }
    if project.inspection.debug {
        console.warning(
            "DEBUG is on: every error page shows the settings and the code to any visitor",
            Some("set DEBUG to False for all but your own machine"),
        );
    }
    Ok(())
}

/// With `--json`, stdout is for events.
pub(crate) fn access_log(
    log: &hotclub_config::Log,
    json: bool,
) -> Result<Option<AccessLog>, Failure> {
    use hotclub_config::AccessLog as Wanted;
    let sink = match &log.access {
        Wanted::Off => return Ok(None),
        Wanted::Stdout if json => return Ok(None),
        Wanted::Stdout => Sink::Stdout,
        Wanted::File(path) => log_file(log, path),
    };
    AccessLog::open(sink, log_format(log))
        .map(Some)
        .map_err(|error| Failure::new(format!("the access log cannot be opened: {error}")))
}

/// A log's file, and when it is put aside.
pub(crate) fn log_file(log: &hotclub_config::Log, path: &Path) -> Sink {
    let path = path.to_owned();
    let keep = log.keep;
    match log.rotate {
        Some(size) => Sink::Rotated(path, Rotation { size, keep }),
        None => Sink::File(path),
    }
}

pub(crate) fn log_format(log: &hotclub_config::Log) -> Format {
    match log.format {
        LogFormat::Combined => Format::Combined,
        LogFormat::Json => Format::Json,
    }
}
