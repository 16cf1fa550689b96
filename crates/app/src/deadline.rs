//! Watches what takes too long: requests that no worker takes, and workers that do not answer.
//!
//! One task a lane, asleep while nothing is pending. It reads the scoreboard; the hot path arms no timer.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use crate::board::monotonic_now;
use crate::call::{CallError, Times};
use crate::lane::{Inner, LaneEvent};

/// How late a deadline may be noticed.
const TICK: Duration = Duration::from_millis(50);

pub(crate) async fn watch(lane: Weak<Inner>, work: Arc<Notify>) {
    loop {
        work.notified().await;
        loop {
            let Some(lane) = lane.upgrade() else { return };
            if lane.is_idle() {
                break;
            }
            check(&lane);
            drop(lane);
            tokio::time::sleep(TICK).await;
        }
    }
}

fn check(lane: &Inner) {
    let now = monotonic_now();
    let board = lane.board();
    let claims: Vec<(usize, u64, u64)> = (0..board.slots())
        .map(|slot| (slot, board.view(slot)))
        .filter(|(_, view)| view.request != 0)
        .map(|(slot, view)| (slot, view.request, view.started))
        .collect();
    for (id, queued_at) in lane.pending() {
        let Some(exchange) = lane.find(id) else {
            continue;
        };
        if exchange.is_over() {
            continue;
        }
        let limits = lane.limits();
        match claims.iter().find(|(_, claimed, _)| *claimed == id) {
            Some(&(slot, _, started)) if limits.timeout.is_some_and(|t| older(now, started, t)) => {
                let request = lane.describe(id).unwrap_or_default();
                exchange.fail(CallError::Deadline(Times {
                    queued: Duration::from_nanos(started.saturating_sub(queued_at)),
                    app: Duration::from_nanos(now.saturating_sub(started)),
                }));
                lane.tell(LaneEvent::Overdue { slot, id, request });
            }
            None if older(now, queued_at, limits.queue_timeout) => {
                exchange.fail(CallError::QueueTimeout(Times {
                    queued: Duration::from_nanos(now.saturating_sub(queued_at)),
                    app: Duration::ZERO,
                }));
            }
            _ => {}
        }
    }
}

fn older(now: u64, since: u64, limit: Duration) -> bool {
    u128::from(now.saturating_sub(since)) > limit.as_nanos()
}
