//! The Python process that has imported the app and forks workers.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hotclub_supervise::{Process, RunAs};
use hotclub_wire::PROTOCOL_VERSION;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::contained::{self, Contained, Door};
use crate::control::{AppFailure, Control, Load, Loaded, Order, Report};

/// Hello comes before the app is imported: an interpreter that takes longer than this hangs.
const HELLO_TIMEOUT: Duration = Duration::from_secs(30);

/// A fork server that could not import the app leaves by itself.
const FAILED_GRACE: Duration = Duration::from_secs(1);

/// How to start the interpreter.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The interpreter, e.g. `…/env/bin/python`; in a container, by its name there.
    pub python: PathBuf,
    /// The folder `hotclub_worker`.
    pub worker: PathBuf,
    /// When the app is in a container.
    pub contained: Option<Contained>,
    /// The whole environment of the app; nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    pub run_as: Option<RunAs>,
    /// The soft limit of open files that fork server and workers get; `None`: ours.
    pub files: Option<u64>,
    /// Takes what the app prints; `None`: it goes to our stderr.
    pub output: Option<Arc<OwnedFd>>,
}

/// Why a generation cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{python} cannot be started: {error}")]
    Python {
        python: PathBuf,
        error: std::io::Error,
    },
    #[error("the app cannot be imported: {}: {}", .0.kind, .0.message)]
    App(Box<AppFailure>),
    #[error("the fork server ended before it was ready ({0})")]
    Ended(ExitStatus),
    #[error("the fork server did not speak for {0:?}")]
    Silent(Duration),
    #[error("the app was not imported within {0:?}")]
    ImportTimeout(Duration),
    #[error("the fork server speaks version {0} of the protocol")]
    Protocol(u32),
    #[error("the workers ended before they were ready{}", .0.map(|code| format!(" (exit code {code})")).unwrap_or_default())]
    Workers(Option<i32>),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// A fork server that has answered `hello`.
#[derive(Debug)]
pub(crate) struct ForkServer {
    pub(crate) process: Process,
    pub(crate) control: Control,
    /// The interpreter's version.
    pub(crate) python: String,
    /// When it is in a container: itself, as our namespace numbers it.
    pub(crate) outside: Option<Pid>,
}

impl ForkServer {
    /// Starts the interpreter and waits for its `hello`.
    pub(crate) async fn start(launch: &Launch) -> Result<Self, StartError> {
        let mut server = match &launch.contained {
            None => Self::beside_us(launch)?,
            Some(contained) => Self::in_a_container(launch, contained).await?,
        };
        match tokio::time::timeout(HELLO_TIMEOUT, server.report()).await {
            Ok(Ok(Report::Hello {
                protocol: PROTOCOL_VERSION,
                python,
            })) => {
                server.python = python;
                Ok(server)
            }
            Ok(Ok(Report::Hello { protocol, .. })) => Err(StartError::Protocol(protocol)),
            Ok(Ok(_)) => Err(StartError::Protocol(0)),
            Ok(Err(error)) => Err(error),
            Err(_elapsed) => Err(StartError::Silent(HELLO_TIMEOUT)),
        }
    }

    fn beside_us(launch: &Launch) -> Result<Self, StartError> {
        let (control, theirs) = Control::pair()?;
        let process = spawn(launch, command(launch, theirs.into()), launch.run_as)?;
        limit_files(&process, launch.files);
        Ok(Self {
            process,
            control,
            python: String::new(),
            outside: None,
        })
    }

    async fn in_a_container(launch: &Launch, contained: &Contained) -> Result<Self, StartError> {
        let door = Door::open(contained)?;
        let mut command = contained::command(contained, &launch.python, &launch.worker);
        with_surroundings(&mut command, launch, &door.named);
        command.stdin(Stdio::null());
        let mut process = spawn(launch, command, None)?;
        let entered = tokio::select! {
            entered = tokio::time::timeout(contained::START_TIMEOUT, door.accept()) => entered,
            status = process.wait() => return Err(StartError::Ended(status?)),
        };
        let (connection, outside) =
            entered.map_err(|_elapsed| StartError::Silent(contained::START_TIMEOUT))??;
        if outside.is_none() {
            tracing::warn!("the container's processes cannot be seen from here");
        }
        Ok(Self {
            process,
            control: Control::over(connection)?,
            python: String::new(),
            outside,
        })
    }

    /// How long its end may take once nothing holds it.
    pub(crate) fn end_grace(&self) -> Duration {
        // The fork server only waits on its socket; a second is long.
        self.outside
            .map_or(Duration::from_secs(1), |_| contained::END_GRACE)
    }

    /// Has the app imported. After an error the process is gone.
    pub(crate) async fn load(
        &mut self,
        load: Load,
        files: [std::os::fd::BorrowedFd<'_>; 2],
        timeout: Duration,
    ) -> Result<Loaded, StartError> {
        let loaded = self.try_load(load, files, timeout).await;
        if loaded.is_err() {
            // Seen to its end here, so that whoever ends with this error leaves no zombie behind.
            let _ = self
                .process
                .wait_or_kill(FAILED_GRACE.max(self.end_grace()))
                .await;
        }
        loaded
    }

    async fn try_load(
        &mut self,
        load: Load,
        files: [std::os::fd::BorrowedFd<'_>; 2],
        timeout: Duration,
    ) -> Result<Loaded, StartError> {
        self.control
            .send(&Order::Load(Box::new(load)), &files)
            .await?;
        match tokio::time::timeout(timeout, self.report()).await {
            Ok(Ok(Report::Loaded(loaded))) => Ok(loaded),
            Ok(Ok(Report::Failed { error, .. })) => Err(StartError::App(Box::new(error))),
            Ok(Ok(_)) => Err(StartError::Protocol(PROTOCOL_VERSION)),
            Ok(Err(error)) => Err(error),
            Err(_elapsed) => Err(StartError::ImportTimeout(timeout)),
        }
    }

    /// The next report, or the reason why none comes.
    async fn report(&mut self) -> Result<Report, StartError> {
        if let Some(report) = self.control.receive().await? {
            return Ok(report);
        }
        Err(StartError::Ended(self.process.wait().await?))
    }
}

/// What we raised for our connections is not the app's: programs close all descriptors up to the limit,
/// and `select()` breaks beyond 1,024.
fn limit_files(process: &Process, files: Option<u64>) {
    let pid = process
        .id()
        .and_then(|pid| Pid::from_raw(pid.cast_signed()));
    let Some((files, pid)) = files.zip(pid) else {
        return;
    };
    let limit = Rlimit {
        current: Some(files),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    if let Err(error) = prlimit(Some(pid), Resource::Nofile, limit) {
        tracing::debug!(%error, "the fork server keeps our limit of open files");
    }
}

fn command(launch: &Launch, control: Stdio) -> Command {
    let mut command = Command::new(&launch.python);
    command.arg("-u").arg(&launch.worker);
    with_surroundings(&mut command, launch, OsStr::new("fd:0"));
    command.stdin(control);
    command
}

fn spawn(launch: &Launch, command: Command, run_as: Option<RunAs>) -> Result<Process, StartError> {
    Process::spawn(command, run_as).map_err(|error| StartError::Python {
        python: launch.python.clone(),
        error,
    })
}

/// `control`: how it reaches us.
fn with_surroundings(command: &mut Command, launch: &Launch, control: &OsStr) {
    command
        .env_clear()
        .envs(launch.env.iter().map(|(name, value)| (name, value)))
        .env("HOTCLUB_CONTROL", control)
        .current_dir(Path::new("/"))
        .stdout(stderr_as_stdout())
        .stderr(Stdio::inherit());
    if let Some(output) = &launch.output {
        let copy = || {
            output
                .try_clone()
                .map_or_else(|_| Stdio::null(), Stdio::from)
        };
        command.stdout(copy()).stderr(copy());
    }
}

/// What the app prints belongs with the messages; stdout is for data.
fn stderr_as_stdout() -> Stdio {
    // Without the flag, our copy itself would be inherited besides.
    rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 0)
        .map_or_else(|_| Stdio::null(), Stdio::from)
}
