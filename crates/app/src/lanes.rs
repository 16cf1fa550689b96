//! The lanes of a generation, as its owner has them: on threads of this process, or in a process of their own that
//! reads what strangers send.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::away::{Away, Link};
use crate::board::Board;
use crate::buffers::Buffers;
use crate::counts::Counts;
use crate::lane::{Common, Lane, LaneEvent, Limits};
use crate::thread_state::Eyes;

/// Where lanes are made.
#[derive(Clone, Debug)]
pub enum Place {
    /// On these threads, one on each.
    Here(Vec<Handle>),
    /// On those of another process.
    Away(Link),
}

/// What lanes are made of.
pub(crate) struct Making {
    pub(crate) board: Arc<Board>,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) limits: Limits,
    pub(crate) events: mpsc::UnboundedSender<LaneEvent>,
    /// The front's end of the queue. Nobody else may keep it: the workers leave when it is closed.
    pub(crate) queue: OwnedFd,
}

/// One for each thread of the front.
#[derive(Clone, Debug)]
pub(crate) enum Lanes {
    Here(Vec<Lane>),
    Away(Arc<Away>),
}

impl Place {
    /// How many lanes are made.
    #[must_use]
    pub fn lanes(&self) -> usize {
        match self {
            Self::Here(runtimes) => runtimes.len(),
            Self::Away(link) => link.lanes(),
        }
    }

    pub(crate) fn make(&self, making: Making) -> std::io::Result<Lanes> {
        match self {
            Self::Here(runtimes) => {
                let common = Common {
                    board: making.board,
                    buffers: making.buffers,
                    counts: making.counts,
                    limits: making.limits,
                    events: making.events,
                    eyes: Eyes::Own,
                };
                make(runtimes, &making.queue, &common).map(Lanes::Here)
            }
            Self::Away(link) => {
                let board = making.board.file().as_fd().try_clone_to_owned()?;
                let files = vec![making.queue, board];
                let away = link.open(making.limits, &making.board, files, making.events);
                Ok(Lanes::Away(Arc::new(away)))
            }
        }
    }
}

/// One lane on each of these threads.
pub(crate) fn make(
    runtimes: &[Handle],
    queue: &OwnedFd,
    common: &Common,
) -> std::io::Result<Vec<Lane>> {
    let mut lanes = Vec::with_capacity(runtimes.len());
    for (number, runtime) in runtimes.iter().enumerate() {
        let number = u16::try_from(number).unwrap_or(u16::MAX);
        let queue = queue.try_clone()?;
        lanes.push(Lane::new(number, runtime.clone(), queue, common.clone())?);
    }
    Ok(lanes)
}

impl Lanes {
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Here(lanes) => lanes.len(),
            Self::Away(away) => away.lanes(),
        }
    }

    /// Has the answers of the worker thread in `slot` read, one stream a lane.
    pub(crate) fn attach(&self, slot: usize, streams: Vec<OwnedFd>) -> std::io::Result<()> {
        match self {
            Self::Here(lanes) => {
                let mut pairs = lanes.iter().zip(streams);
                pairs.try_for_each(|(lane, stream)| lane.attach(slot, stream))
            }
            Self::Away(away) => {
                away.attach(slot, streams);
                Ok(())
            }
        }
    }

    /// The worker in `slot` is gone.
    pub(crate) fn detach(&self, slot: usize) {
        match self {
            Self::Here(lanes) => lanes.iter().for_each(|lane| lane.detach(slot)),
            Self::Away(away) => away.detach(slot),
        }
    }

    /// Everything pending fails.
    pub(crate) fn abort(&self) {
        match self {
            Self::Here(lanes) => lanes.iter().for_each(Lane::abort),
            Self::Away(away) => away.abort(),
        }
    }

    /// Takes nothing new, and returns when what was there is answered and the queue closed.
    pub(crate) async fn close(&self) {
        match self {
            Self::Here(lanes) => {
                for lane in lanes {
                    lane.close().await;
                }
            }
            Self::Away(away) => away.close().await,
        }
    }

    /// Requests that wait for a place, and requests with the workers; nothing is known of those elsewhere.
    pub(crate) fn load(&self) -> (usize, usize) {
        let Self::Here(lanes) = self else {
            return (0, 0);
        };
        let loads = lanes.iter().map(Lane::load);
        loads.fold((0, 0), |sum, load| (sum.0 + load.0, sum.1 + load.1))
    }

    /// Those of this process.
    pub(crate) fn here(&self) -> Vec<Lane> {
        match self {
            Self::Here(lanes) => lanes.clone(),
            Self::Away(_) => Vec::new(),
        }
    }
}
