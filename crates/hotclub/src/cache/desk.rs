//! Answers `hotclub cache` while a site is up. Only the site's own user and root reach its socket.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hotclub_front::Observer;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::{Answer, Question, socket};
use crate::console::Failure;

/// A question is one short line.
const LONGEST: u64 = 16 * 1024;
/// Who connects has something to ask.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// Gone when dropped, and the socket with it.
#[derive(Debug)]
pub(crate) struct Desk {
    folder: PathBuf,
    _task: JoinSet<()>,
}

impl Desk {
    pub(crate) fn open(folder: &Path, site: &str, front: Observer) -> Result<Self, Failure> {
        let open = || -> io::Result<UnixListener> {
            let listener = socket::listen(folder)?;
            listener.set_nonblocking(true)?;
            UnixListener::from_std(listener)
        };
        let listener = open().map_err(|error| {
            Failure::new(format!(
                "{}: no socket can be made there: {error}",
                folder.display()
            ))
        })?;
        let mut task = JoinSet::new();
        task.spawn(serve(listener, Arc::from(site), front));
        Ok(Self {
            folder: folder.to_owned(),
            _task: task,
        })
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        socket::remove(&self.folder);
    }
}

async fn serve(listener: UnixListener, site: Arc<str>, front: Observer) {
    let mut visits = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (site, front) = (Arc::clone(&site), front.clone());
                    visits.spawn(async move {
                        // Who left early is not waited for.
                        let _ = tokio::time::timeout(PATIENCE, visit(stream, &site, &front)).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the socket of `hotclub cache`");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = visits.join_next() => {}
        }
    }
}

async fn visit(stream: UnixStream, site: &str, front: &Observer) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    (&mut stream).take(LONGEST).read_line(&mut line).await?;
    let question: Question = serde_json::from_str(&line)?;
    let mut line = serde_json::to_vec(&Answer::of(front, site, &question))?;
    line.push(b'\n');
    stream.get_mut().write_all(&line).await
}
