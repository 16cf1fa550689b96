//! What of a generation can be looked at while somebody else owns it.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::board::Board;
use crate::lanes::Lanes;
use crate::owner::Request;

/// A look at a generation. Holding it keeps nothing running.
#[derive(Clone, Debug)]
pub struct View {
    pub(crate) lanes: Lanes,
    pub(crate) board: Arc<Board>,
    pub(crate) threads: usize,
    pub(crate) owner: mpsc::WeakUnboundedSender<Request>,
}

/// One worker as the scoreboard shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerView {
    /// Where it sits; its replacement may sit elsewhere.
    pub place: usize,
    pub pid: i32,
    /// Threads with a request in hand.
    pub busy: usize,
}

impl View {
    /// Returns once the owner's task has answered; never when that is gone or stuck.
    pub async fn answers(&self) {
        let (tell, told) = oneshot::channel();
        let asked = self
            .owner
            .upgrade()
            .is_some_and(|owner| owner.send(Request::Ping(tell)).is_ok());
        if !asked || told.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Threads of each worker.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Requests that came and have no whole answer yet: those that wait for a place in the queue, and those
    /// in it or in a worker's hands.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        self.lanes.load()
    }

    /// The workers that have taken their place.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerView> {
        let places = self.board.slots() / self.threads.max(1);
        (0..places).filter_map(|place| self.worker(place)).collect()
    }

    fn worker(&self, place: usize) -> Option<WorkerView> {
        let slots = place * self.threads..(place + 1) * self.threads;
        let pid = slots.clone().find_map(|slot| self.board.pid(slot))?;
        let views: Vec<_> = slots.map(|slot| self.board.view(slot)).collect();
        Some(WorkerView {
            place,
            pid: i32::try_from(pid).ok()?,
            busy: views.iter().filter(|view| view.request != 0).count(),
        })
    }
}
