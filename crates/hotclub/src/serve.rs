//! `hotclub serve MODULE:APP`: the app server alone, in Gunicorn's place.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotclub_app::{Buffers, Lane, Launch, Policy, Spec, Surroundings, Tune};
use hotclub_config::{Listen, defaults};
use hotclub_front::{
    AccessLog, AppRoute, Format, Front, Limits, NamedFiles, Options, Sink, Site, Table,
    TrustedProxies,
};

use crate::cli::ServeArgs;
use crate::console::{Console, Failure, Serving};
use crate::house::{House, Plan};
use crate::https::{Certifier, OwnFiles};
use crate::listeners::Listeners;
use crate::pid_file::PidFile;
use crate::signals::Signals;
use crate::systemd::Systemd;
use crate::upgrade::{Predecessor, Upgrade};
use crate::watch::Watch;
use crate::{Origin, descriptors, interpreter, limits, metrics, upgrade, users};

/// Long enough for the largest apps on the slowest disks.
const IMPORT_TIMEOUT: Duration = Duration::from_secs(120);
/// What logs and metrics call the one site.
const SITE: &str = "app";

pub(crate) async fn run(
    args: &ServeArgs,
    console: &Console,
    origin: Origin,
) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let Origin {
        systemd,
        predecessor,
        ..
    } = origin;
    let predecessor = predecessor?;
    let program = upgrade::program()?;
    let opened = tokio::select! {
        opened = open(args, console, &systemd, predecessor.as_ref()) => opened,
        // An import may take long; what was started ends with the future.
        _ = signals.stop() => return Ok(()),
    };
    match (&opened, predecessor) {
        (Ok(_), Some(predecessor)) => predecessor.take_over().await,
        (Err(failure), Some(predecessor)) => predecessor.decline(failure),
        (_, None) => {}
    }
    let Opened {
        house,
        watch,
        _pid_file,
        _payload,
        _certifier,
    } = opened?;
    let upgrade = Upgrade::new(program, systemd);
    house.run(console, &mut signals, watch, Some(upgrade)).await
}

/// A house that visitors can reach, and what must live as long.
struct Opened {
    house: House,
    watch: Option<Watch>,
    _pid_file: Option<PidFile>,
    _payload: Payload,
    _certifier: Certifier,
}

fn certifier(args: &ServeArgs, front: &Front) -> Result<Certifier, Failure> {
    let Some(certificate) = &args.certfile else {
        return Ok(Certifier::default());
    };
    let here = std::env::current_dir()?;
    let key = args.keyfile.as_ref().unwrap_or(certificate);
    let files = OwnFiles::new(here.join(certificate), here.join(key));
    Certifier::of_files(files, front)
}

async fn open(
    args: &ServeArgs,
    console: &Console,
    systemd: &Systemd,
    predecessor: Option<&Predecessor>,
) -> Result<Opened, Failure> {
    let began = Instant::now();
    systemd.status("importing the app");
    let sockets = Sockets::open(args, systemd, predecessor)?;
    let payload = Payload::make()?;
    let limits = limits::of_serve(&args.limit)?;
    let buffers = limits::buffers(&limits, std::env::temp_dir());
    let mut spec = spec(args, payload.worker.clone(), &buffers)?;
    spec.policy.workers = sockets.workers;
    let front = Front::start(front_options(args, &limits, buffers)?)?;
    let certifier = certifier(args, &front)?;
    let plan = Plan {
        beside: None,
        site: SITE.to_owned(),
        graceful_timeout: Duration::from_secs(args.graceful_timeout),
        traceback: None,
        renew: None,
        probe: None,
        table: Box::new(|lanes| Ok(table(lanes))),
        spec,
    };
    let watch = args
        .reload
        .then(|| Watch::start(&plan.spec.chdir))
        .transpose()?;
    let serving = Serving {
        urls: sockets.listeners.urls(),
        app: args.app.clone(),
        workers: sockets.workers,
        threads: args.threads as usize,
        pid: std::process::id(),
        metrics: metrics::url(&sockets.metrics),
        ..Serving::default()
    };
    let mut house = House::start(plan, front, systemd, console).await?;
    let _pid_file = args.pid.as_deref().map(PidFile::write).transpose()?;
    house.open(sockets.listeners);
    house.expose(sockets.metrics);
    console.serving(&Serving {
        django: house.generation().loaded().django.clone(),
        python: house.generation().python().to_owned(),
        seconds: began.elapsed().as_secs_f64(),
        ..serving
    });
    Ok(Opened {
        house,
        watch,
        _pid_file,
        _payload: payload,
        _certifier: certifier,
    })
}

/// Where visitors come in, and how many workers wait for them.
struct Sockets {
    listeners: Listeners,
    /// None, if nobody wants metrics.
    metrics: Listeners,
    workers: usize,
}

impl Sockets {
    /// Those of the program that we replace, those of systemd, or our own.
    fn open(
        args: &ServeArgs,
        systemd: &Systemd,
        predecessor: Option<&Predecessor>,
    ) -> Result<Self, Failure> {
        if let Some(predecessor) = predecessor {
            let heirloom = predecessor.heirloom()?;
            let metrics = match heirloom.metrics {
                Some(socket) => Listeners::adopt(vec![socket], false, &[])?,
                None => metrics::open(args.metrics.as_ref())?,
            };
            return Ok(Self {
                listeners: Listeners::adopt(
                    heirloom.listeners,
                    heirloom.keep_paths,
                    &addresses(args)?,
                )?,
                metrics,
                workers: heirloom.workers,
            });
        }
        Ok(Self {
            listeners: Listeners::activated_or_open(systemd, &addresses(args)?, "--bind")?,
            metrics: metrics::open(args.metrics.as_ref())?,
            workers: workers(args)?,
        })
    }
}

/// The worker's Python files for the life of this process. A folder that only we can write to, and
/// that the workers' user can read.
struct Payload {
    worker: PathBuf,
    _folder: tempfile::TempDir,
}

impl Payload {
    fn make() -> Result<Self, Failure> {
        use std::os::unix::fs::PermissionsExt;
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let base = runtime
            .filter(|dir| dir.is_dir())
            .unwrap_or_else(std::env::temp_dir);
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("hotclub-");
        let folder = builder
            .permissions(std::fs::Permissions::from_mode(0o755))
            .tempdir_in(&base)
            .map_err(|error| {
                Failure::new(format!(
                    "no folder can be made in {}: {error}",
                    base.display()
                ))
                .hint("set TMPDIR to a folder that can be written to")
            })?;
        let worker = hotclub_app::unpack(folder.path())?;
        Ok(Self {
            worker,
            _folder: folder,
        })
    }
}

fn addresses(args: &ServeArgs) -> Result<Vec<Listen>, Failure> {
    let plain = plain_addresses(args)?;
    let is_https = |listen: &Listen| matches!(listen, Listen::Https(_));
    match (&args.certfile, plain.iter().any(is_https)) {
        (Some(_), false) => Ok(plain.into_iter().map(secured).collect()),
        (None, true) => Err(Failure::new("an https:// address needs a certificate")
            .hint("name its file with --certfile, and its key's with --keyfile")),
        _ => Ok(plain),
    }
}

fn secured(listen: Listen) -> Listen {
    match listen {
        Listen::Tcp(address) => Listen::Https(address),
        other => other,
    }
}

fn plain_addresses(args: &ServeArgs) -> Result<Vec<Listen>, Failure> {
    if !args.bind.is_empty() {
        return Ok(args.bind.clone());
    }
    let Some(port) = variable("PORT") else {
        return Ok(vec![Listen::Tcp(defaults::LISTEN)]);
    };
    let port = port
        .to_str()
        .and_then(|port| port.parse::<u16>().ok())
        .ok_or_else(|| {
            Failure::new(format!("PORT is {}, which is no port", port.display()))
                .hint("unset PORT, set it to a number below 65536, or use --bind")
        })?;
    Ok(vec![Listen::Tcp(SocketAddr::from((
        Ipv4Addr::UNSPECIFIED,
        port,
    )))])
}

/// Those of the command line, or of the variable that platforms set and Gunicorn reads.
fn workers(args: &ServeArgs) -> Result<usize, Failure> {
    let (None, Some(text)) = (args.workers, variable("WEB_CONCURRENCY")) else {
        return Ok(args.workers.unwrap_or(1) as usize);
    };
    let workers = text.to_str().and_then(|text| text.parse().ok());
    workers
        .filter(|workers| (1..=512).contains(workers))
        .ok_or_else(|| {
            Failure::new(format!(
                "WEB_CONCURRENCY is {}, which is no number of workers",
                text.display()
            ))
            .hint("unset WEB_CONCURRENCY, set it to a number from 1 to 512, or use --workers")
        })
}

/// A variable that says something: compose files set empty ones for those that are not there.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn spec(args: &ServeArgs, worker: PathBuf, buffers: &Arc<Buffers>) -> Result<Spec, Failure> {
    let here = std::env::current_dir()?;
    let chdir = match &args.chdir {
        Some(dir) => here.join(dir),
        None => here.clone(),
    };
    if !chdir.is_dir() {
        return Err(Failure::new(format!(
            "--chdir {}: no such folder",
            chdir.display()
        )));
    }
    let threads = args.threads as usize;
    let graceful_timeout = Duration::from_secs(args.graceful_timeout);
    let timeout = (args.timeout > 0).then(|| Duration::from_secs(args.timeout));
    Ok(Spec {
        launch: Launch {
            contained: None,
            python: interpreter::find(args.python.as_deref())?,
            worker,
            env: environment(&args.env)?,
            run_as: users::resolve(args.user.as_deref(), args.group.as_deref())?,
            files: descriptors::raise(),
            output: None,
        },
        app: args.app.clone(),
        pythonpath: args.pythonpath.iter().map(|dir| here.join(dir)).collect(),
        chdir,
        preload: !args.no_preload || args.preload,
        settings: BTreeMap::new(),
        // As Gunicorn: whoever starts the app server alone has settings of his own.
        tune: Tune::OFF,
        surroundings: Surroundings::default(),
        import_timeout: IMPORT_TIMEOUT,
        queue_timeout: defaults::QUEUE_TIMEOUT,
        max_waiting: args.backlog as usize,
        timeout,
        buffers: Arc::clone(buffers),
        counts: Arc::default(),
        policy: Policy {
            workers: workers(args)?,
            threads,
            lanes: 1,
            max_requests: args.max_requests,
            max_requests_jitter: args.max_requests_jitter,
            max_memory: args.max_worker_memory,
            max_lifetime: (args.max_worker_lifetime > 0)
                .then(|| Duration::from_secs(args.max_worker_lifetime)),
            graceful_timeout,
            second_deadline: timeout.unwrap_or(graceful_timeout),
        },
    })
}

/// Ours, with what `--env` says on top.
fn environment(set: &[String]) -> Result<Vec<(OsString, OsString)>, Failure> {
    let mut variables: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    for pair in set {
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Failure::new(format!("--env {pair}: write KEY=VALUE")));
        };
        variables.insert(name.into(), value.into());
    }
    Ok(variables.into_iter().collect())
}

fn front_options(
    args: &ServeArgs,
    limits: &hotclub_config::Limits,
    buffers: Arc<Buffers>,
) -> Result<Options, Failure> {
    let words = args
        .forwarded_allow_ips
        .iter()
        .map(String::as_str)
        .filter(|word| !word.is_empty());
    let trusted = TrustedProxies::parse(words)
        .map_err(|error| Failure::new(format!("--forwarded-allow-ips: {error}")))?;
    if args.proxy_protocol && trusted == TrustedProxies::default() {
        return Err(Failure::new("--proxy-protocol: no proxy is trusted").hint(
            "name it with --forwarded-allow-ips, for example --forwarded-allow-ips 10.0.0.5",
        ));
    }
    let format = if args.access_log_json {
        Format::Json
    } else {
        Format::Combined
    };
    let log = args.access_logfile.as_deref().map(|file| match file {
        "-" => AccessLog::open(Sink::Stdout, format),
        file => AccessLog::open(Sink::File(file.into()), format),
    });
    let log = log
        .transpose()
        .map_err(|error| Failure::new(format!("the access log cannot be opened: {error}")))?;
    Ok(Options {
        threads: crate::front_threads(args.threads as usize),
        limits: Limits::from(limits),
        trusted,
        h2c: args.h2c,
        proxy_protocol: args.proxy_protocol,
        log,
        buffers,
    })
}

/// One site that answers every host: which hosts are right is the app's business.
fn table(lanes: Vec<Lane>) -> Table {
    let app = AppRoute {
        lanes,
        retry: true,
        // Gunicorn's place: the files are the business of the proxy before us.
        named_files: NamedFiles::PassOn,
    };
    let site = Site::new(SITE, Vec::new(), Vec::new(), Some(app));
    Table::new([], Some(site.into()))
}
