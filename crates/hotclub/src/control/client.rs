//! The commands' side: asks a host, shows what it tells, and returns what came of it.

use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::{Parcel, Reply, Request};
use crate::console::{Console, Failure};

/// What came of a request, as the host wrote it.
pub(crate) type Answered = serde_json::Value;

/// A connection to a host.
#[derive(Debug)]
pub(crate) struct Client {
    lines: Lines<BufReader<OwnedReadHalf>>,
    output: OwnedWriteHalf,
    path: PathBuf,
}

impl Client {
    pub(crate) async fn connect(path: &Path) -> Result<Self, Failure> {
        let stream = UnixStream::connect(path)
            .await
            .map_err(|error| unreachable(path, &error))?;
        let (input, output) = stream.into_split();
        Ok(Self {
            lines: BufReader::new(input).lines(),
            output,
            path: path.to_owned(),
        })
    }

    /// Asks, and shows on `console` what comes before the answer.
    pub(crate) async fn ask(
        path: &Path,
        request: Request,
        console: &Console,
    ) -> Result<Answered, Failure> {
        let mut client = Self::connect(path).await?;
        client.say(&request.asked()).await?;
        client.answer(console).await
    }

    pub(crate) async fn say(&mut self, said: &impl Serialize) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(said)?;
        line.push(b'\n');
        Ok(self.output.write_all(&line).await?)
    }

    /// Waits until the host wants an archive, or holds what it was to hold.
    pub(crate) async fn wanted(&mut self, console: &Console) -> Result<(), Failure> {
        loop {
            match self.next(console).await? {
                Reply::Send | Reply::Held => return Ok(()),
                Reply::Refused(failure) => return Err(failure),
                Reply::Answer { .. } => {}
            }
        }
    }

    /// Sends one, from its beginning. A host that no longer reads has said why.
    pub(crate) async fn send(&mut self, mut archive: std::fs::File) -> Result<(), Failure> {
        let bytes = archive.metadata()?.len();
        archive.rewind()?;
        self.say(&Parcel { bytes }).await?;
        let mut piece = vec![0; 256 << 10];
        loop {
            let read = archive.read(&mut piece)?;
            if read == 0 || self.output.write_all(&piece[..read]).await.is_err() {
                return Ok(());
            }
        }
    }

    pub(crate) async fn answer(&mut self, console: &Console) -> Result<Answered, Failure> {
        loop {
            match self.next(console).await? {
                Reply::Answer { result } => return Ok(result),
                Reply::Refused(failure) => return Err(failure),
                Reply::Send | Reply::Held => {}
            }
        }
    }

    async fn next(&mut self, console: &Console) -> Result<Reply, Failure> {
        while let Some(line) = self.lines.next_line().await? {
            if let Ok(reply) = serde_json::from_str(&line) {
                return Ok(reply);
            }
            console.relay(&line);
        }
        let message = format!("the host at {} ended", self.path.display());
        Err(Failure::new(message)
            .hint("what it had in hand is settled at its next start; `hotclub status` shows it"))
    }
}

/// Prints what a host answered.
pub(crate) fn print(answered: &Answered) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer(&mut stdout, answered)?;
    Ok(stdout.write_all(b"\n")?)
}

fn unreachable(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            Failure::new(format!("no host listens at {path}"))
                .hint("start it with `hotclub host`, or name its socket with --control")
        }
        ErrorKind::PermissionDenied => Failure::new(format!("{path} is not for you"))
            .hint("be root, the host's user, or in the group of --control-group"),
        _ => Failure::new(format!("{path}: {error}")),
    }
}
