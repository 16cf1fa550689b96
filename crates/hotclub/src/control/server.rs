//! The host's side: takes connections, reads what is asked, and lets a [`Desk`] do it.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Take};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Asked, Parcel, Reply, Request, Socket, VERSION};
use crate::console::{Failure, Listener};

/// A request is a line of names.
const LONGEST_LINE: u64 = 64 << 10;
/// Who opened the socket says at once what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a request came to.
pub(crate) type Outcome = Result<serde_json::Value, Failure>;

/// Does what is asked.
pub(crate) trait Desk: Send + Sync + 'static {
    fn handle(
        self: Arc<Self>,
        request: Request,
        visitor: Visitor,
    ) -> impl Future<Output = Outcome> + Send;
}

/// Whoever asked.
#[derive(Debug)]
pub(crate) struct Visitor {
    input: BufReader<OwnedReadHalf>,
    listener: Listener,
}

impl Visitor {
    /// Takes what is to be told on the way.
    pub(crate) fn listener(&self) -> Listener {
        self.listener.clone()
    }

    /// Asks for the archive, and gives its bytes as they come.
    pub(crate) async fn archive(&mut self) -> Result<Take<&mut BufReader<OwnedReadHalf>>, Failure> {
        say(&self.listener, &Reply::Send);
        let line = line(&mut self.input).await?;
        let parcel: Parcel = serde_json::from_str(&line)?;
        Ok((&mut self.input).take(parcel.bytes))
    }

    /// Says that what was to be held is, and returns when the asker has said anything more, or has left.
    pub(crate) async fn held(&mut self) {
        say(&self.listener, &Reply::Held);
        // Whatever comes, or that nothing can.
        let _ = line(&mut self.input).await;
    }

    /// Returns when nobody is there any more.
    pub(crate) async fn left(&self) {
        self.listener.closed().await;
    }
}

fn say(listener: &Listener, said: &impl Serialize) {
    if let Ok(line) = serde_json::to_string(said) {
        // Whoever asked has left.
        let _ = listener.send(line);
    }
}

/// Serves for as long as it is polled; what is under way ends with it.
pub(crate) async fn serve<D: Desk>(socket: Socket, desk: Arc<D>) {
    let mut visits = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.listener.accept() => match accepted {
                Ok((stream, _)) => {
                    visits.spawn(visit(stream, Arc::clone(&desk)));
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = visits.join_next() => {}
        }
    }
}

async fn visit<D: Desk>(stream: UnixStream, desk: Arc<D>) {
    let (input, output) = stream.into_split();
    let (listener, lines) = mpsc::unbounded_channel();
    let writer = tokio::spawn(write(output, lines));
    let mut input = BufReader::new(input);
    let outcome = match tokio::time::timeout(PATIENCE, asked(&mut input)).await {
        Ok(Ok(request)) => {
            let listener = listener.clone();
            desk.handle(request, Visitor { input, listener }).await
        }
        Ok(Err(failure)) => Err(failure),
        Err(_elapsed) => Err(Failure::new("nothing was asked")),
    };
    say(
        &listener,
        &match outcome {
            Ok(result) => Reply::Answer { result },
            Err(failure) => Reply::Refused(failure),
        },
    );
    drop(listener);
    // It ends when all was written, or nobody reads.
    let _ = writer.await;
}

async fn asked(input: &mut BufReader<OwnedReadHalf>) -> Result<Request, Failure> {
    let line = line(input).await?;
    let spoken: serde_json::Value = serde_json::from_str(&line)?;
    let version = spoken.get("hotclub").and_then(serde_json::Value::as_u64);
    if version != Some(u64::from(VERSION)) {
        let message = format!("this host speaks version {VERSION} of the control protocol");
        return Err(Failure::new(message).hint("use the `hotclub` that the host was started from"));
    }
    let asked: Asked = serde_json::from_value(spoken)
        .map_err(|error| Failure::new(format!("this is no request: {error}")))?;
    Ok(asked.request)
}

async fn line(input: &mut BufReader<OwnedReadHalf>) -> Result<String, Failure> {
    let mut text = String::new();
    input.take(LONGEST_LINE).read_line(&mut text).await?;
    match text.ends_with('\n') {
        true => Ok(text),
        false => Err(Failure::new(
            "the connection ended before a whole line came",
        )),
    }
}

/// Once nobody reads, the channel is closed: whoever tells things notices.
async fn write(mut output: OwnedWriteHalf, mut lines: mpsc::UnboundedReceiver<String>) {
    while let Some(mut line) = lines.recv().await {
        line.push('\n');
        if output.write_all(line.as_bytes()).await.is_err() {
            return;
        }
    }
}
