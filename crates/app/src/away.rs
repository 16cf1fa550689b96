//! Lanes in another process: what their generation's owner tells them and hears of them, and the other side, which
//! makes them and obeys.
//!
//! The owner's process trusts the other one with requests and answers and with nothing else. All that it can say is
//! an [`LaneEvent`], a plain number, or that it is done; the worst that follows is that workers of that one
//! generation are replaced.

use std::collections::HashMap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use crate::board::Board;
use crate::buffers::Buffers;
use crate::lane::{Common, Lane, LaneEvent, Limits};
use crate::lanes;
use crate::thread_state::{self, Eyes, Look};

/// What is said to lanes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum LaneOrder {
    /// Beside it the queue and the scoreboard.
    Open {
        limits: Limits,
        slots: usize,
    },
    /// Beside it one reply stream for each lane.
    Attach {
        slot: usize,
    },
    Detach {
        slot: usize,
    },
    Abort,
    Close,
    /// The answer to [`LaneNews::Waits`].
    Seen {
        look: u64,
        waits: bool,
    },
    /// The generation is over, and nothing more is said of it.
    Forget,
}

/// What lanes say.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum LaneNews {
    Event(LaneEvent),
    /// They have taken nothing new since they were told to close, and have answered what they had.
    Closed,
    /// Asks whether the thread of this slot sleeps in the kernel.
    Waits {
        look: u64,
        slot: usize,
    },
}

/// An order on its way, with the generation that it is for.
#[derive(Debug)]
pub struct Parcel {
    pub generation: u64,
    pub order: LaneOrder,
    pub files: Vec<OwnedFd>,
}

/// Takes parcels to the other process, in order; they come to nothing when there is none.
pub type Courier = Arc<dyn Fn(Parcel) + Send + Sync>;

/// The way to another process that makes lanes. Clones are the same.
#[derive(Clone)]
pub struct Link {
    lanes: usize,
    courier: Courier,
    open: Arc<Mutex<HashMap<u64, Ear>>>,
    next: Arc<AtomicU64>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("lanes", &self.lanes)
            .finish_non_exhaustive()
    }
}

/// Who hears what the lanes of a generation say.
#[derive(Debug)]
struct Ear {
    events: mpsc::UnboundedSender<LaneEvent>,
    closed: watch::Sender<bool>,
    board: Arc<Board>,
}

/// The lanes of one generation. Dropped with the last that has to do with it.
#[derive(Debug)]
pub(crate) struct Away {
    generation: u64,
    link: Link,
    closed: watch::Receiver<bool>,
}

impl Link {
    /// A way to a process with so many lanes for each generation.
    #[must_use]
    pub fn new(lanes: usize, courier: Courier) -> Self {
        Self {
            lanes,
            courier,
            open: Arc::default(),
            next: Arc::new(AtomicU64::new(1)),
        }
    }

    pub(crate) fn lanes(&self) -> usize {
        self.lanes
    }

    pub(crate) fn open(
        &self,
        limits: Limits,
        board: &Arc<Board>,
        files: Vec<OwnedFd>,
        events: mpsc::UnboundedSender<LaneEvent>,
    ) -> Away {
        let generation = self.next.fetch_add(1, Ordering::Relaxed);
        let (closed, is_closed) = watch::channel(false);
        let ear = Ear {
            events,
            closed,
            board: Arc::clone(board),
        };
        lock(&self.open).insert(generation, ear);
        let away = Away {
            generation,
            link: self.clone(),
            closed: is_closed,
        };
        let slots = board.slots();
        away.say(LaneOrder::Open { limits, slots }, files);
        away
    }

    /// Passes on what the other process says of a generation's lanes. What is said of one that is over, or is
    /// not there, is nobody's.
    pub fn hear(&self, generation: u64, news: LaneNews) {
        let open = lock(&self.open);
        let Some(ear) = open.get(&generation) else {
            return;
        };
        match news {
            LaneNews::Event(event) => {
                // The owner is gone only when the generation is.
                let _ = ear.events.send(event);
            }
            LaneNews::Closed => drop(ear.closed.send_replace(true)),
            LaneNews::Waits { look, slot } => {
                let view = ear.board.view(slot);
                let waits = thread_state::slot_waits(&ear.board, slot, &view);
                (self.courier)(Parcel {
                    generation,
                    order: LaneOrder::Seen { look, waits },
                    files: Vec::new(),
                });
            }
        }
    }

    /// The other process is gone, and all lanes with it.
    pub fn lost(&self) {
        lock(&self.open).clear();
    }
}

impl Away {
    pub(crate) fn lanes(&self) -> usize {
        self.link.lanes
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn attach(&self, slot: usize, streams: Vec<OwnedFd>) {
        self.say(LaneOrder::Attach { slot }, streams);
    }

    pub(crate) fn detach(&self, slot: usize) {
        self.say(LaneOrder::Detach { slot }, Vec::new());
    }

    pub(crate) fn abort(&self) {
        self.say(LaneOrder::Abort, Vec::new());
    }

    pub(crate) async fn close(&self) {
        self.say(LaneOrder::Close, Vec::new());
        // An error means that the other process is gone, which has closed them.
        let _ = self.closed.clone().wait_for(|closed| *closed).await;
    }

    fn say(&self, order: LaneOrder, files: Vec<OwnedFd>) {
        (self.link.courier)(Parcel {
            generation: self.generation,
            order,
            files,
        });
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        self.say(LaneOrder::Forget, Vec::new());
        lock(&self.link.open).remove(&self.generation);
    }
}

/// The other side: the lanes of generations that are owned elsewhere.
#[derive(Debug)]
pub struct Guests {
    runtimes: Vec<Handle>,
    buffers: Arc<Buffers>,
    news: mpsc::UnboundedSender<(u64, LaneNews)>,
    by_generation: Mutex<HashMap<u64, Guest>>,
}

#[derive(Debug)]
struct Guest {
    lanes: Vec<Lane>,
    looks: Arc<Mutex<HashMap<u64, oneshot::Sender<bool>>>>,
}

impl Guests {
    /// Lanes are made on `runtimes`, and what they say goes to `news`.
    #[must_use]
    pub fn new(
        runtimes: Vec<Handle>,
        buffers: Arc<Buffers>,
        news: mpsc::UnboundedSender<(u64, LaneNews)>,
    ) -> Self {
        Self {
            runtimes,
            buffers,
            news,
            by_generation: Mutex::default(),
        }
    }

    /// A generation's lanes, in the order of the threads.
    #[must_use]
    pub fn lanes(&self, generation: u64) -> Option<Vec<Lane>> {
        let guests = lock(&self.by_generation);
        guests.get(&generation).map(|guest| guest.lanes.clone())
    }

    /// Requests that wait for a place, and requests with the workers, of every generation.
    #[must_use]
    pub fn loads(&self) -> Vec<(u64, (usize, usize))> {
        let of = |guest: &Guest| {
            let loads = guest.lanes.iter().map(Lane::load);
            loads.fold((0, 0), |sum, load| (sum.0 + load.0, sum.1 + load.1))
        };
        let guests = lock(&self.by_generation);
        guests.iter().map(|(id, guest)| (*id, of(guest))).collect()
    }

    /// Does what the owner of a generation says.
    ///
    /// # Errors
    /// When the lanes cannot be made, or a stream not be watched.
    pub fn obey(
        &self,
        generation: u64,
        order: &LaneOrder,
        files: Vec<OwnedFd>,
    ) -> std::io::Result<()> {
        if let LaneOrder::Open { limits, slots } = *order {
            let guest = self.open(generation, limits, slots, files)?;
            lock(&self.by_generation).insert(generation, guest);
            return Ok(());
        }
        let mut guests = lock(&self.by_generation);
        let Some(guest) = guests.get(&generation) else {
            return Ok(());
        };
        match *order {
            LaneOrder::Open { .. } => {}
            LaneOrder::Attach { slot } => {
                let mut pairs = guest.lanes.iter().zip(files);
                pairs.try_for_each(|(lane, stream)| lane.attach(slot, stream))?;
            }
            LaneOrder::Detach { slot } => guest.lanes.iter().for_each(|lane| lane.detach(slot)),
            LaneOrder::Abort => guest.lanes.iter().for_each(Lane::abort),
            LaneOrder::Close => self.close(generation, guest.lanes.clone()),
            LaneOrder::Seen { look, waits } => {
                if let Some(tell) = lock(&guest.looks).remove(&look) {
                    // Whoever asked may have been dropped.
                    let _ = tell.send(waits);
                }
            }
            LaneOrder::Forget => drop(guests.remove(&generation)),
        }
        Ok(())
    }

    fn open(
        &self,
        generation: u64,
        limits: Limits,
        slots: usize,
        files: Vec<OwnedFd>,
    ) -> std::io::Result<Guest> {
        let Ok([queue, board]) = <[OwnedFd; 2]>::try_from(files) else {
            return Err(std::io::Error::other("there are not two descriptors"));
        };
        let (events, heard) = mpsc::unbounded_channel();
        let (eyes, asked) = mpsc::unbounded_channel();
        let looks = Arc::default();
        tokio::spawn(tell(generation, heard, self.news.clone()));
        tokio::spawn(ask(
            generation,
            asked,
            Arc::clone(&looks),
            self.news.clone(),
        ));
        let common = Common {
            board: Arc::new(Board::of(board, slots)?),
            buffers: Arc::clone(&self.buffers),
            counts: Arc::default(),
            limits,
            events,
            eyes: Eyes::Asked(eyes),
        };
        let lanes = lanes::make(&self.runtimes, &queue, &common)?;
        Ok(Guest { lanes, looks })
    }

    fn close(&self, generation: u64, lanes: Vec<Lane>) {
        let news = self.news.clone();
        tokio::spawn(async move {
            for lane in &lanes {
                lane.close().await;
            }
            // Nobody listens when we are about to end.
            let _ = news.send((generation, LaneNews::Closed));
        });
    }
}

/// Passes on what the lanes say until they are gone.
async fn tell(
    generation: u64,
    mut events: mpsc::UnboundedReceiver<LaneEvent>,
    news: mpsc::UnboundedSender<(u64, LaneNews)>,
) {
    while let Some(event) = events.recv().await {
        // Nobody listens when we are about to end.
        let _ = news.send((generation, LaneNews::Event(event)));
    }
}

/// Passes on what the lanes want to know of threads that they cannot see.
async fn ask(
    generation: u64,
    mut asked: mpsc::UnboundedReceiver<Look>,
    looks: Arc<Mutex<HashMap<u64, oneshot::Sender<bool>>>>,
    news: mpsc::UnboundedSender<(u64, LaneNews)>,
) {
    let mut next = 0;
    while let Some(Look { slot, tell }) = asked.recv().await {
        next += 1;
        lock(&looks).insert(next, tell);
        // Nobody listens when we are about to end.
        let _ = news.send((generation, LaneNews::Waits { look: next, slot }));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
