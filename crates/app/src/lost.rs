//! Finds requests that a worker took with it into death before it had claimed them.
//!
//! Between `recv` and the claim in the scoreboard a killed worker holds a message that no slot names. The queue
//! is first in, first out, so once a marker that was sent after the death has been answered, every earlier
//! message has been taken by somebody. Whatever is then neither claimed nor answered is either in the hands of a
//! live worker that is just about to claim it, or lost. A live worker in that gap is running; one that sleeps with
//! an idle slot waits for its next message and holds none. What was claimed and answered in the meantime may still be
//! on its way: only when every reply stream was read to where it stood then is the rest lost. Lost requests never
//! started: any of them may run again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hotclub_wire::{HEADER_LEN, RequestHeader, RequestKind};

use crate::board::{Board, SlotView};
use crate::call::CallError;
use crate::lane::Inner;

/// How often live workers are looked at; the gap between `recv` and claim is a few microseconds.
const LOOK: Duration = Duration::from_millis(2);

/// Runs after a worker died with no claim: fails what it took along with [`CallError::NeverStarted`].
pub(crate) async fn sweep(lane: Arc<Inner>) {
    let mut candidates = unclaimed(&lane);
    if candidates.is_empty() || !marker_answered(&lane).await {
        return;
    }
    let mut suspects = live_slots(lane.board());
    loop {
        // The order matters: a slot that is seen to hold nothing cannot have claimed before it was looked at.
        let mut uncleared = HashMap::with_capacity(suspects.len());
        for (slot, before) in suspects {
            if !is_cleared(&lane, slot, &before).await {
                uncleared.insert(slot, before);
            }
        }
        suspects = uncleared;
        candidates.retain(|id| is_unclaimed(&lane, *id));
        if candidates.is_empty() || suspects.is_empty() {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    // Answers were written before their claims were given up, so from here on none of them can appear that is not
    // already in a stream.
    while !candidates.is_empty() && !lane.has_read_everything() {
        tokio::time::sleep(LOOK).await;
    }
    candidates.retain(|id| is_unclaimed(&lane, *id));
    for id in candidates {
        if let Some(exchange) = lane.find(id) {
            tracing::info!(
                request = id,
                "a request was lost with its worker before it began; it is queued again"
            );
            exchange.fail(CallError::NeverStarted);
            lane.finish(id);
        }
    }
}

fn unclaimed(lane: &Inner) -> Vec<u64> {
    let pending = lane.pending().into_iter().map(|(id, _)| id);
    pending.filter(|id| is_unclaimed(lane, *id)).collect()
}

fn is_unclaimed(lane: &Inner, id: u64) -> bool {
    lane.board().find(id).is_none() && lane.find(id).is_some_and(|exchange| !exchange.has_begun())
}

/// Sends a marker and waits until some worker has answered it. A worker may die of something else
/// with the marker in hand, so it is sent again.
async fn marker_answered(lane: &Arc<Inner>) -> bool {
    loop {
        let (id, exchange) = lane.expect_marker();
        let header = RequestHeader {
            kind: RequestKind::Marker,
            body_by_descriptor: false,
            lane: lane.number(),
            environ_len: 0,
            id,
            body_len: 0,
            queued_at: crate::board::monotonic_now(),
        };
        let bytes: [u8; HEADER_LEN] = header.encode();
        if lane.send(&bytes, None).await.is_err() {
            lane.finish(id);
            return false;
        }
        let answered = std::future::poll_fn(|context| exchange.poll_head(context));
        match tokio::time::timeout(lane.limits().queue_timeout, answered).await {
            Ok(Ok(_head)) => return true,
            Ok(Err(CallError::WorkerDied)) => {}
            Ok(Err(_)) | Err(_) => {
                lane.finish(id);
                return false;
            }
        }
    }
}

fn live_slots(board: &Board) -> HashMap<usize, SlotView> {
    let slots = (0..board.slots()).map(|slot| (slot, board.view(slot)));
    slots.filter(|(_, view)| view.pid != 0).collect()
}

/// Whether the worker thread in `slot` certainly holds no unclaimed message that was sent before the marker.
async fn is_cleared(lane: &Inner, slot: usize, before: &SlotView) -> bool {
    let now = lane.board().view(slot);
    now.request != 0
        || now.done != before.done
        || now.pid != before.pid
        || lane.eyes().wait(lane.board(), slot, &now).await
}
