//! Connections to upstreams that wait for their next request: one pool a thread, so without a lock.
//!
//! An upstream may close such a connection at any moment, and a request that is under way then is lost
//! without anybody knowing whether it was seen. A request that may run twice is simply tried again;
//! any other gets a connection that is new, or was used a moment ago.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connect::Connection;
use super::upstream::Upstream;

/// Connections that are kept for one upstream by one thread.
const MOST: usize = 32;
/// How long one is kept.
const KEPT: Duration = Duration::from_secs(60);
/// How long after its last answer a connection is as good as new: servers close idle ones after
/// seconds (Gunicorn 2, Uvicorn and Node 5), none after less.
const WARM: Duration = Duration::from_millis(500);
/// How often the pool is looked through while there is something in it.
const SWEEP: Duration = Duration::from_secs(1);

/// The pools of a thread, by upstream.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    /// By the upstream's place in memory, which the entry keeps occupied.
    by_upstream: RefCell<HashMap<usize, Pool>>,
    swept: Cell<bool>,
}

#[derive(Debug)]
struct Pool {
    _upstream: Arc<Upstream>,
    /// The one used last is last.
    idle: Vec<Connection>,
}

fn place(upstream: &Arc<Upstream>) -> usize {
    Arc::as_ptr(upstream) as usize
}

impl Pools {
    /// A connection that waits, if there is one; only one that is surely alive when the request cannot
    /// be repeated.
    pub(crate) fn take(&self, upstream: &Arc<Upstream>, repeatable: bool) -> Option<Connection> {
        let mut pools = self.by_upstream.borrow_mut();
        let pool = pools.get_mut(&place(upstream))?;
        while let Some(mut connection) = pool.idle.pop() {
            if !repeatable && age(&connection) > WARM {
                pool.idle.push(connection);
                return None;
            }
            if connection.is_quiet() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose answer is over.
    pub(crate) fn keep(self: &Rc<Self>, upstream: &Arc<Upstream>, mut connection: Connection) {
        connection.idle_since = Some(Instant::now());
        connection.input = Default::default();
        let mut pools = self.by_upstream.borrow_mut();
        let pool = pools.entry(place(upstream)).or_insert_with(|| Pool {
            _upstream: Arc::clone(upstream),
            idle: Vec::new(),
        });
        if pool.idle.len() < MOST {
            pool.idle.push(connection);
        }
        drop(pools);
        if !self.swept.replace(true) {
            tokio::task::spawn_local(Rc::clone(self).sweep());
        }
    }

    /// Closes what is old or was closed by the upstream, until nothing is left.
    async fn sweep(self: Rc<Self>) {
        loop {
            tokio::time::sleep(SWEEP).await;
            let mut pools = self.by_upstream.borrow_mut();
            pools.retain(|_, pool| {
                pool.idle
                    .retain_mut(|connection| age(connection) < KEPT && connection.is_quiet());
                !pool.idle.is_empty()
            });
            if pools.is_empty() {
                break;
            }
        }
        self.swept.set(false);
    }
}

fn age(connection: &Connection) -> Duration {
    connection
        .idle_since
        .map_or(Duration::ZERO, |since| since.elapsed())
}
