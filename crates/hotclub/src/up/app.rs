//! How the site's generations are made.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hotclub_app::{Buffers, Generation, Launch, Policy, Spec, Surroundings};
use hotclub_config::{Compress, Python};
use hotclub_django::hosts;

use super::release::Statics;
use super::site;
use crate::console::Failure;
use crate::face::{self, Face};
use crate::house::{Plan, Renew, Renewing};
use crate::measure;
use crate::probe::Probe;
use crate::processes::{Keeper, Processes};
use crate::project::{Project, State};
use crate::site_file;

/// Long enough for the largest apps on the slowest disks.
const IMPORT_TIMEOUT: Duration = Duration::from_secs(120);

pub(crate) fn plan(
    project: &Project,
    state: &State,
    statics: &Statics,
    buffers: &Arc<Buffers>,
) -> Result<Plan, Failure> {
    let detected = site::detected(project, statics)?;
    let first = Cell::new(Some(Arc::new(project.site.clone())));
    let proxies = RefCell::new(Vec::new());
    let dir = project.site.dir.clone();
    let kept_in = state.dir.clone();
    Ok(Plan {
        site: project.site.name.clone(),
        spec: spec(project, state, statics, buffers)?,
        probe: Some(probe(project)),
        table: Box::new(move |lanes| {
            // The file is read anew with each reload; what it says of the app holds from the next start on.
            let site = first.take().map_or_else(|| site_file::reread(&dir), Ok)?;
            let face = Face::new(Arc::clone(&site), detected.clone())?.kept_in(&kept_in);
            let made = face.open(Some(lanes), &proxies.take())?;
            proxies.replace(made.proxies().collect());
            Ok(face::alone(&site, made))
        }),
        graceful_timeout: project.site.app.graceful_timeout,
        beside: Some((Keeper::new(&state.dir), Processes::of(project, None)?)),
        traceback: Some(state.dir.join("log/app.log")),
        renew: renewal(project),
    })
}

/// A reload serves the code as it is then: the image is built again first.
fn renewal(project: &Project) -> Option<Renew> {
    let contained = project.contained.clone()?;
    let dir = project.site.dir.clone();
    let renew = move || -> Renewing {
        let (contained, dir) = (contained.clone(), dir.clone());
        Box::pin(async move {
            let site = site_file::reread(&dir)?;
            contained.renewed(&site).await?.launch()
        })
    };
    Some(Arc::new(renew))
}

pub(crate) fn spec(
    project: &Project,
    state: &State,
    statics: &Statics,
    buffers: &Arc<Buffers>,
) -> Result<Spec, Failure> {
    let app = project.app()?;
    let options = &project.site.app;
    let settings = statics.collected.iter();
    let settings: BTreeMap<_, _> = settings
        .map(|files| {
            (
                "STATIC_ROOT".to_owned(),
                files.dir.display().to_string().into(),
            )
        })
        .collect();
    Ok(Spec {
        launch: Launch {
            python: interpreter(project)?,
            contained: match &project.contained {
                Some(contained) => Some(contained.launch()?),
                None => None,
            },
            worker: hotclub_app::unpack(&state.dir)?,
            env: environment(project)?,
            run_as: project.user,
            files: crate::descriptors::raise(),
            output: None,
        },
        app: project.app_name()?,
        chdir: app.project.manage_dir.clone(),
        pythonpath: Vec::new(),
        preload: options.preload,
        settings,
        tune: measure::allowed(options.tune),
        surroundings: surroundings(project, state, statics)?,
        import_timeout: IMPORT_TIMEOUT,
        queue_timeout: options.queue_timeout,
        max_waiting: options.max_queue as usize,
        timeout: options.timeout,
        buffers: Arc::clone(buffers),
        counts: Arc::default(),
        policy: Policy {
            workers: project.workers,
            threads: options.threads as usize,
            lanes: 1,
            max_requests: u64::from(options.max_requests),
            max_requests_jitter: u64::from(options.max_requests_jitter),
            max_memory: options.max_memory,
            max_lifetime: options.max_lifetime,
            graceful_timeout: options.graceful_timeout,
            second_deadline: options.timeout.unwrap_or(options.graceful_timeout),
        },
    })
}

/// What tuning has to know of how this site is served.
fn surroundings(
    project: &Project,
    state: &State,
    statics: &Statics,
) -> Result<Surroundings, Failure> {
    let shared_folder = match project.site.app.tune.shared_cache {
        true if project.contained.is_some() => {
            return Err(Failure::new(
                "shared_cache = true and kind = \"docker\" do not go together yet",
            )
            .hint(
                "remove shared_cache from [app.tune]: workers in containers cache each for itself",
            ));
        }
        true => Some(shared_folder(project, state)?),
        false => None,
    };
    Ok(Surroundings {
        compresses: project.site.compress == Compress::Always,
        static_url: statics.served_at().map(str::to_owned),
        shared_folder,
    })
}

/// What lies there is unpickled by the app: it is its user's alone.
fn shared_folder(project: &Project, state: &State) -> Result<PathBuf, Failure> {
    let folder = state.dir.join("shared-cache");
    let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(error.into());
        }
        _ => {}
    }
    if let Some(user) = project.user {
        std::os::unix::fs::chown(&folder, Some(user.uid), Some(user.gid))?;
    }
    Ok(folder)
}

/// In a container by the name that images have it under.
fn interpreter(project: &Project) -> Result<PathBuf, Failure> {
    if project.contained.is_none() {
        return Ok(project.app()?.environment.python());
    }
    Ok(match &project.site.app.python {
        Some(Python::Path(path)) => path.clone(),
        _ => "python".into(),
    })
}

/// The environment of every command of the app: ours, with the site's on top.
pub(crate) fn environment(project: &Project) -> Result<Vec<(OsString, OsString)>, Failure> {
    let app = project.app()?;
    let ours = || std::env::vars_os().collect();
    let mut variables: BTreeMap<OsString, OsString> = match &app.within {
        None => ours(),
        Some(_) => BTreeMap::new(),
    };
    variables.insert(
        "DJANGO_SETTINGS_MODULE".into(),
        project.inspection.settings.clone().into(),
    );
    for (name, value) in app.command("python").as_std().get_envs() {
        match value {
            Some(value) => variables.insert(name.to_owned(), value.to_owned()),
            None => variables.remove(name),
        };
    }
    Ok(variables.into_iter().collect())
}

pub(crate) fn probe(project: &Project) -> Probe {
    let hosts::Probe { host, https } = hosts::probe(&project.inspection);
    let timeout = project.site.app.timeout.unwrap_or(IMPORT_TIMEOUT);
    Probe {
        host,
        https,
        timeout,
    }
}

pub(crate) fn summary(project: &Project, generation: &Generation) -> String {
    let seconds = generation.loaded().seconds;
    format!("{} workers, imported in {seconds:.1} s", project.workers)
}
