//! Runs one command in a container of its own, from its start to its end, as if it were a process of ours: its
//! output is ours, our signals are its, and its exit code comes back.

use std::io::{Read as _, Write};

use bollard::container::LogOutput;
use bollard::errors::Error as Api;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, KillContainerOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::error::is_missing;
use crate::{DockerError, Engine, RunSpec, labels};

/// Exit code of a command that was killed by signal 9, as shells count.
const KILLED: i64 = 137;

/// Runs `command` under the image's ENTRYPOINT; its exit code. The container is gone afterwards.
/// `env` is `NAME=value`; `input`: whether our standard input is its.
///
/// # Errors
/// When the container cannot be made or started, or the engine goes away.
pub async fn run(
    engine: &Engine,
    spec: &RunSpec,
    command: Vec<String>,
    env: Vec<String>,
    input: bool,
) -> Result<i64, DockerError> {
    labels::sweep(engine, &spec.owner, &spec.role).await?;
    let mut body = spec.body(Some(command), env);
    (body.open_stdin, body.stdin_once, body.attach_stdin) = (Some(input), Some(input), Some(input));
    let name = format!(
        "hotclub-{}-{}-{}",
        spec.owner.site,
        spec.role,
        std::process::id()
    );
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let created = engine.docker.create_container(Some(options), body).await;
    let id = match created {
        Ok(created) => created.id,
        Err(error) if is_missing(&error) => return Err(DockerError::NoImage(spec.image.clone())),
        Err(error) => return Err(error.into()),
    };
    let code = attended(engine, &id, input).await;
    if matches!(code, Ok(KILLED)) && labels::was_out_of_memory(engine, &id).await {
        say_out_of_memory(spec.memory);
    }
    labels::remove(engine, &id).await?;
    code
}

async fn attended(engine: &Engine, id: &str, input: bool) -> Result<i64, DockerError> {
    let mut signals = Signals::listen()?;
    let options = AttachContainerOptionsBuilder::new()
        .stream(true)
        .stdout(true)
        .stderr(true)
        .stdin(input)
        .build();
    let mut attached = engine.docker.attach_container(id, Some(options)).await?;
    // Asked before the start: who asks too late is not told.
    let options = WaitContainerOptionsBuilder::new()
        .condition("next-exit")
        .build();
    let waiting = {
        let (docker, id) = (engine.docker.clone(), id.to_owned());
        tokio::spawn(async move { docker.wait_container(&id, Some(options)).next().await })
    };
    engine.docker.start_container(id, None).await?;
    if input {
        let mut theirs = attached.input;
        tokio::spawn(async move { feed(&mut theirs).await });
    }
    let output = async {
        while let Some(Ok(output)) = attached.output.next().await {
            show(&output);
        }
    };
    let ended = async {
        let (waited, ()) = tokio::join!(waiting, output);
        waited
    };
    tokio::pin!(ended);
    let waited = loop {
        tokio::select! {
            waited = &mut ended => break waited,
            name = signals.next() => {
                let options = KillContainerOptionsBuilder::new().signal(name).build();
                // It may have ended in the meantime.
                let _ = engine.docker.kill_container(id, Some(options)).await;
            }
        }
    };
    match waited {
        Ok(Some(Ok(response))) => Ok(response.status_code),
        Ok(Some(Err(Api::DockerContainerWaitError { code, error }))) if error.is_empty() => {
            Ok(code)
        }
        Ok(Some(Err(error))) => Err(error.into()),
        Ok(None) | Err(_) => Err(DockerError::Api(
            "it went away while a container ran".to_owned(),
        )),
    }
}

/// What ends or wakes a process, passed on by name.
struct Signals([(&'static str, Signal); 6]);

impl Signals {
    fn listen() -> Result<Self, DockerError> {
        let listen = |name, kind| signal(kind).map(|signal| (name, signal));
        let all = || -> std::io::Result<_> {
            Ok([
                listen("SIGTERM", SignalKind::terminate())?,
                listen("SIGINT", SignalKind::interrupt())?,
                listen("SIGHUP", SignalKind::hangup())?,
                listen("SIGQUIT", SignalKind::quit())?,
                listen("SIGUSR1", SignalKind::user_defined1())?,
                listen("SIGUSR2", SignalKind::user_defined2())?,
            ])
        };
        all()
            .map(Self)
            .map_err(|error| DockerError::Api(format!("signals cannot be watched: {error}")))
    }

    async fn next(&mut self) -> &'static str {
        let waits = self.0.iter_mut().map(|(name, signal)| {
            Box::pin(async move {
                signal.recv().await;
                *name
            })
        });
        futures_util::future::select_all(waits).await.0
    }
}

async fn feed(theirs: &mut (impl tokio::io::AsyncWrite + Unpin)) {
    let mut parts = our_input();
    while let Some(part) = parts.recv().await {
        if theirs.write_all(&part).await.is_err() {
            break;
        }
        let _ = theirs.flush().await;
    }
    let _ = theirs.shutdown().await;
}

/// What comes on our standard input, read by a thread that nobody waits for: a read there may never return.
fn our_input() -> mpsc::Receiver<Vec<u8>> {
    let (sender, parts) = mpsc::channel(4);
    std::thread::spawn(move || {
        let (mut ours, mut buffer) = (std::io::stdin(), vec![0; 64 * 1024]);
        while let Ok(read @ 1..) = ours.read(&mut buffer) {
            if sender.blocking_send(buffer[..read].to_vec()).is_err() {
                break;
            }
        }
    });
    parts
}

/// Each stream to its own; whoever reads ours may have left.
fn show(output: &LogOutput) {
    let _ = match output {
        LogOutput::StdErr { message } => std::io::stderr().lock().write_all(message),
        LogOutput::StdOut { message } | LogOutput::Console { message } => {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(message).and_then(|()| stdout.flush())
        }
        LogOutput::StdIn { .. } => Ok(()),
    };
}

fn say_out_of_memory(limit: Option<u64>) {
    let limit = limit.map_or_else(String::new, |bytes| {
        format!(" (memory = {} MB under [runtime])", bytes / 1_000_000)
    });
    let _ = writeln!(
        std::io::stderr(),
        "the container was killed: it ran out of memory{limit}"
    );
}
