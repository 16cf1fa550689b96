//! The program: reads the command line and hands over to the command's own file.

mod apart;
mod cache;
mod check;
mod cli;
mod console;
mod container;
mod control;
mod db;
mod descriptors;
mod dockerfile;
mod export;
mod face;
mod host;
mod house;
mod https;
mod import;
mod inspect;
mod install;
mod interpreter;
mod journal;
mod limits;
mod listeners;
mod maintenance;
mod manage;
mod measure;
mod metrics;
mod namespace;
mod own_log;
mod owner;
mod passwd;
mod pid_file;
mod probe;
mod processes;
mod project;
mod releases;
mod remote;
mod serve;
mod signals;
mod site_file;
mod sys;
mod system_packages;
mod systemd;
mod trust;
mod tune;
mod tuning;
mod up;
mod upgrade;
mod users;
mod visits;
mod watch;
mod watchdog;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
use console::{Console, Failure};
use owner::Owner;
use systemd::Systemd;
use upgrade::Predecessor;

fn main() -> ExitCode {
    // Before there is any thread: it changes the environment.
    let origin = Origin::take();
    let kept = sys::keep_descriptors();
    let cli = Cli::parse();
    let owner = Owner::find(cli.command.project());
    start_log();
    if let Err(error) = kept {
        tracing::debug!(%error, "descriptors that we were started with may reach children");
    }
    let console = Console::new(cli.wants_json());
    match run(cli.command, &console, origin, &owner) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            console.failure(&failure);
            ExitCode::FAILURE
        }
    }
}

/// What must be done while there is but one thread, and then the command.
fn run(
    command: Command,
    console: &Console,
    mut origin: Origin,
    owner: &Owner,
) -> Result<(), Failure> {
    match &command {
        Command::Front(args) => return apart::main(args),
        Command::Acme(args) => return https::clerk::main(args),
        Command::Host(_) => origin.can_mount = host::withdraw(),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(SUPERVISOR_THREADS)
        .enable_all()
        .build()?;
    runtime.block_on(dispatch(command, console, origin, owner))
}

/// The supervisor waits for most of its time; requests are the front's, which has threads of its own.
const SUPERVISOR_THREADS: usize = 2;

/// What whoever started us handed over.
struct Origin {
    systemd: Systemd,
    /// A running program that we are to replace.
    predecessor: Result<Option<Predecessor>, Failure>,
    /// We have mounts of our own, which nobody else sees.
    can_mount: bool,
}

impl Origin {
    fn take() -> Self {
        Self {
            systemd: Systemd::take(),
            predecessor: Predecessor::find(),
            can_mount: false,
        }
    }
}

async fn dispatch(
    command: Command,
    console: &Console,
    origin: Origin,
    owner: &Owner,
) -> Result<(), Failure> {
    if !matches!(command, Command::Up(_)) {
        owner.become_them()?;
    }
    match command {
        Command::Serve(args) => {
            namespace::check()?;
            serve::run(&args, console, origin).await
        }
        Command::Up(args) => {
            namespace::check()?;
            Box::pin(up::run(&args, console, &origin.systemd, owner)).await
        }
        Command::Host(args) => host::run(&args, console, &origin).await,
        // It was, before there was a runtime.
        Command::Front(_) | Command::Acme(_) => Ok(()),
        Command::Deploy(args) => remote::deploy(&args, console).await,
        Command::Releases(args) => remote::releases(&args, console).await,
        Command::Rollback(args) => remote::rollback(&args, console).await,
        Command::Reload(args) => remote::reload(&args, console).await,
        Command::Restart(args) => remote::restart(&args, console).await,
        Command::Remove(args) => remote::remove(&args, console).await,
        Command::Status(args) => remote::status(&args, console).await,
        Command::Env(args) => remote::env::run(&args, console).await,
        Command::Install(args) => install::install(&args, console),
        Command::Uninstall(args) => install::uninstall(&args, console),
        Command::Top(args) => remote::top::run(&args, console).await,
        Command::Logs(args) => remote::logs(&args, console).await,
        Command::Inspect(args) => inspect::run(&args, console).await,
        Command::Export(args) => export::run(&args, console).await,
        Command::Import(args) => import::run(&args, console),
        Command::Check(args) => check::run(&args, console).await,
        Command::Cache(args) => cache::run(&args, console).await,
        Command::Maintenance(args) => maintenance::run(&args, console),
        Command::Passwd(args) => passwd::run(&args),
        Command::Trust(args) => trust::run(&args, console),
        Command::Tune(args) => Box::pin(tune::run(&args, console)).await,
        Command::Container(args) => container::run(&args).await,
        Command::Manage(args) => manage::run(&args, console).await,
        Command::Db(args) => db::run(&args.command, console).await,
        Command::Upgrade(args) => upgrade::ask(&args, console).await,
    }
}

/// Threads of the front: one serves tens of thousands of small requests a second, and what it does not need is
/// the workers'.
fn front_threads(threads_per_worker: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // Each thread of a worker gets a stream for each thread of the front, all in one message.
    let most = STREAMS_PER_WORKER / threads_per_worker.max(1);
    (cores / 4).min(most).clamp(1, 8)
}

/// The same where there are no workers: everything is the front's.
fn front_threads_alone() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    cores.clamp(1, 8)
}

/// Descriptors that one message of the control socket may carry, with room to spare (the kernel's
/// limit is 253).
const STREAMS_PER_WORKER: usize = 240;

/// Messages of the program go to stderr, as many as HOTCLUB_LOG says (`info` unless set).
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("HOTCLUB_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .init();
}
