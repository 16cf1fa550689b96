//! One request a key: the first asks, the others wait for what it brings.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Requests that wait for one answer; those beyond ask for themselves, and the app's queue has its own bound.
const MOST_WAITING: usize = 2000;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landing {
    UnderWay,
    /// The answer is on the shelf.
    Kept,
    /// It is nobody's but of who asked.
    Refused,
    /// The app failed, and an older one stood in for it.
    Failed,
    /// There was none, or its asker left: somebody else may try.
    Lost,
}

#[derive(Debug)]
struct Flight {
    landing: watch::Sender<Landing>,
    waiting: AtomicUsize,
    /// What it brings is out of date already.
    spoiled: AtomicBool,
    primary: Box<[u8]>,
}

/// All that are under way.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Box<[u8]>, Arc<Flight>>>);

/// What a request is to do.
#[derive(Debug)]
pub(super) enum Boarding {
    Lead(Leader),
    Wait(Passenger),
    /// Somebody else leads, and this one had better not wait.
    Pass,
}

/// Asks for others, too. Dropped without a word it lets somebody else try.
#[derive(Debug)]
pub(super) struct Leader {
    flights: Arc<Flights>,
    key: Box<[u8]>,
    flight: Arc<Flight>,
}

/// Waits for somebody else's answer.
#[derive(Debug)]
pub(super) struct Passenger {
    flight: Arc<Flight>,
    landing: watch::Receiver<Landing>,
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<Box<[u8]>, Arc<Flight>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leads to `key` if nobody does, and else waits if it may. `primary` is what invalidates it.
    pub(super) fn board(self: &Arc<Self>, key: &[u8], primary: &[u8], may_wait: bool) -> Boarding {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(key) {
            if !may_wait || flight.waiting.load(Relaxed) >= MOST_WAITING {
                return Boarding::Pass;
            }
            flight.waiting.fetch_add(1, Relaxed);
            let landing = flight.landing.subscribe();
            let flight = Arc::clone(flight);
            return Boarding::Wait(Passenger { flight, landing });
        }
        let flight = Arc::new(Flight {
            landing: watch::Sender::new(Landing::UnderWay),
            waiting: AtomicUsize::new(0),
            spoiled: AtomicBool::new(false),
            primary: primary.into(),
        });
        flights.insert(key.into(), Arc::clone(&flight));
        let (flights, key) = (Arc::clone(self), key.into());
        Boarding::Lead(Leader {
            flights,
            key,
            flight,
        })
    }

    /// What is under way to this key, or to all, is not to be kept.
    pub(super) fn spoil(&self, primary: Option<&[u8]>) {
        for flight in self.lock().values() {
            if primary.is_none_or(|primary| *flight.primary == *primary) {
                flight.spoiled.store(true, Relaxed);
            }
        }
    }
}

impl Leader {
    /// Whether the page was changed meanwhile.
    pub(super) fn is_spoiled(&self) -> bool {
        self.flight.spoiled.load(Relaxed)
    }

    /// Tells those who wait.
    pub(super) fn land(self, landing: Landing) {
        self.end(landing);
    }

    fn end(&self, landing: Landing) {
        let mut flights = self.flights.lock();
        if flights
            .get(&self.key)
            .is_some_and(|flight| Arc::ptr_eq(flight, &self.flight))
        {
            flights.remove(&self.key);
        }
        drop(flights);
        self.flight.landing.send_if_modified(|state| {
            let is_news = *state == Landing::UnderWay;
            if is_news {
                *state = landing;
            }
            is_news
        });
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.end(Landing::Lost);
    }
}

impl Passenger {
    /// Waits for the end.
    pub(super) async fn landed(&mut self) -> Landing {
        let over = self
            .landing
            .wait_for(|landing| *landing != Landing::UnderWay);
        over.await.map_or(Landing::Lost, |landing| *landing)
    }
}

impl Drop for Passenger {
    fn drop(&mut self) {
        self.flight.waiting.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(flights: &Arc<Flights>, key: &[u8]) -> Leader {
        match flights.board(key, key, true) {
            Boarding::Lead(leader) => leader,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn those_who_wait_are_told_what_came_of_it() {
        let flights = Arc::new(Flights::default());
        for landing in [Landing::Kept, Landing::Refused] {
            let leader = lead(&flights, b"a");
            let Boarding::Wait(mut passenger) = flights.board(b"a", b"a", true) else {
                panic!("nobody waits");
            };
            assert!(matches!(flights.board(b"a", b"a", false), Boarding::Pass));
            assert!(matches!(flights.board(b"b", b"b", true), Boarding::Lead(_)));
            leader.land(landing);
            assert_eq!(passenger.landed().await, landing);
        }
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn a_leader_that_leaves_lets_somebody_else_try() {
        let flights = Arc::new(Flights::default());
        let leader = lead(&flights, b"a");
        let Boarding::Wait(mut passenger) = flights.board(b"a", b"a", true) else {
            panic!("nobody waits");
        };
        drop(leader);
        assert_eq!(passenger.landed().await, Landing::Lost);
        drop(lead(&flights, b"a"));
    }

    #[test]
    fn only_so_many_wait() {
        let flights = Arc::new(Flights::default());
        let _leader = lead(&flights, b"a");
        let board = || flights.board(b"a", b"a", true);
        let waiting: Vec<_> = (0..MOST_WAITING).map(|_| board()).collect();
        assert!(matches!(board(), Boarding::Pass));
        drop(waiting);
        assert!(matches!(board(), Boarding::Wait(_)));
    }

    #[test]
    fn a_page_that_changed_spoils_what_is_under_way_to_it() {
        let flights = Arc::new(Flights::default());
        let (a, b) = (lead(&flights, b"a"), lead(&flights, b"b"));
        flights.spoil(Some(b"a"));
        assert!(a.is_spoiled() && !b.is_spoiled());
        flights.spoil(None);
        assert!(b.is_spoiled());
    }
}
