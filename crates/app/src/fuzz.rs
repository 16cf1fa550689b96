//! For `fuzz/` only: a reply reader behind a real socket, fed with any bytes.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use hotclub_wire::EnvironWriter;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use crate::board::Board;
use crate::buffers::{BufferBounds, Buffers};
use crate::call::{Answer, Call, CallBody, CallError};
use crate::lane::{Common, Lane, LaneEvent, Limits};

/// Calls that wait; their ids are `1 << 48` and the numbers after it.
const CALLS: usize = 3;
/// Bytes that a worker sends at once.
const PIECE: usize = 4096;

/// A runtime to be used again and again.
///
/// # Panics
/// When the system has no descriptors for it.
#[must_use]
pub fn runtime() -> Runtime {
    #[expect(clippy::expect_used, reason = "nothing can be fuzzed without one")]
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Writes `bytes` to a reply stream on which three calls wait, then ends it. Whatever the bytes: the stream's end is
/// told once, and every call that was answered has an answer that ends.
///
/// # Panics
/// When that does not hold.
pub fn reply(runtime: &Runtime, bytes: &[u8]) {
    runtime.block_on(async {
        let Some((lane, mut events, workers)) = lane(runtime) else {
            return;
        };
        let Ok((ours, mut worker)) = UnixStream::pair() else {
            return;
        };
        if lane.attach(0, ours.into()).is_err() {
            return;
        }
        let calls: Vec<_> = (0..CALLS)
            .map(|_| tokio::spawn(read(lane.clone())))
            .collect();
        while lane.load().1 < CALLS {
            tokio::task::yield_now().await;
        }
        for piece in bytes.chunks(PIECE) {
            // The reader has given the stream up as broken.
            if worker.write_all(piece).is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(worker);
        let mut ended = 0;
        while ended == 0 {
            let event = tokio::time::timeout(Duration::from_secs(10), events.recv()).await;
            assert!(event.is_ok(), "the stream's end was never told");
            ended += usize::from(matches!(event, Ok(Some(LaneEvent::Ended { slot: 0, .. }))));
        }
        lane.abort();
        for call in calls {
            let ended = tokio::time::timeout(Duration::from_secs(10), call).await;
            assert!(matches!(ended, Ok(Ok(()))), "an answer without an end");
        }
        drop(workers);
    });
}

type Parts = (
    Lane,
    mpsc::UnboundedReceiver<LaneEvent>,
    std::os::fd::OwnedFd,
);

fn lane(runtime: &Runtime) -> Option<Parts> {
    let (front, workers) = crate::queue::pair().ok()?;
    let (events, told) = mpsc::unbounded_channel();
    let bounds = BufferBounds {
        per_connection: 1 << 16,
        memory: 1 << 20,
        spooled: 1 << 24,
    };
    let common = Common {
        counts: Arc::default(),
        board: Arc::new(Board::new(1).ok()?),
        buffers: Buffers::new(std::env::temp_dir(), bounds),
        limits: Limits {
            depth: CALLS,
            max_waiting: 0,
            queue_timeout: Duration::from_secs(60),
            timeout: None,
        },
        events,
        eyes: crate::thread_state::Eyes::Own,
    };
    let lane = Lane::new(0, runtime.handle().clone(), front, common).ok()?;
    Some((lane, told, workers))
}

async fn read(lane: Lane) {
    let call = Call {
        environ: EnvironWriter::with_capacity(0),
        body: CallBody::None,
        retry: false,
    };
    let answer: Result<Answer, CallError> = lane.call(call).await;
    let Ok(mut answer) = answer else { return };
    let (reason, fields) = hotclub_wire::HeadFields::split(&answer.head);
    let _ = (reason.len(), fields.count());
    while let Some(Ok(_part)) = answer.body.next().await {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_end_a_stream_once() {
        let runtime = runtime();
        for bytes in [&b""[..], b"x", &[0; 32], &[255; 10_000]] {
            reply(&runtime, bytes);
        }
    }
}
