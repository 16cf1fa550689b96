//! Whether a request whose worker died is run again.
//!
//! Once in any case: it may have been chance. When its second worker dies too, the request is under suspicion (it
//! crashes whoever runs it, or takes all the memory), and ends with a 502; unless that worker was demonstrably killed
//! from outside, which is no fault of the request's. Nobody can tell who sent a SIGKILL, an app could send it to
//! itself, so that is believed a few times only.

use std::time::{Duration, Instant};

use crate::answer::Holder;
use crate::board::Board;

/// How often a request is run at most.
const RUNS: u32 = 5;
/// The owner knows of an exit within milliseconds of the end of the stream.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(2);

/// The runs of one request.
#[derive(Debug)]
pub(crate) struct Again {
    allowed: bool,
    runs: u32,
}

impl Again {
    pub(crate) fn new(allowed: bool) -> Self {
        Self { allowed, runs: 1 }
    }

    /// Asked after each run that ended with the death of its worker.
    pub(crate) async fn may_run(&mut self, board: &Board, holder: Option<Holder>) -> bool {
        let again = self.allowed
            && self.runs < RUNS
            && (self.runs == 1 || killed_from_outside(board, holder).await);
        self.runs += u32::from(again);
        again
    }
}

/// Waits until the owner has made known how the worker ended.
async fn killed_from_outside(board: &Board, holder: Option<Holder>) -> bool {
    let Some(holder) = holder else { return false };
    let began = Instant::now();
    loop {
        let end = board.end(holder.slot);
        if end.pid == holder.pid {
            return end.from_outside;
        }
        if began.elapsed() > PATIENCE {
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use hotclub_wire::board::End;

    use super::*;

    const HOLDER: Holder = Holder { slot: 1, pid: 77 };

    async fn runs(end: Option<End>) -> u32 {
        let board = Board::new(2).unwrap();
        if let Some(end) = end {
            board.tell_end(HOLDER.slot, end);
        }
        let mut again = Again::new(true);
        while again.may_run(&board, Some(HOLDER)).await {}
        again.runs
    }

    fn end(pid: u64, from_outside: bool) -> Option<End> {
        Some(End { pid, from_outside })
    }

    #[tokio::test]
    async fn a_request_that_kills_its_workers_has_two_of_them() {
        assert_eq!(runs(end(77, false)).await, 2);
        let board = Board::new(2).unwrap();
        let mut forbidden = Again::new(false);
        assert!(!forbidden.may_run(&board, Some(HOLDER)).await);
    }

    #[tokio::test]
    async fn kills_from_outside_are_not_held_against_a_request_but_counted() {
        assert_eq!(runs(end(77, true)).await, RUNS);
    }
}
