//! Requests from several connections at once, while something happens to the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crate::raw::Raw;
use crate::response::Response;

/// Goes on until it is told to finish.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Tally>>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub good: usize,
    /// One text a request that was not answered as it should be.
    pub failures: Vec<String>,
    /// The different bodies that came.
    pub bodies: std::collections::BTreeSet<String>,
}

impl Load {
    /// `connections` clients that GET `path` again and again, keeping their connections.
    pub fn start(address: &str, path: &str, connections: usize) -> Self {
        let (stop, done) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
        let client = |_| {
            let client = Client {
                address: address.to_owned(),
                path: path.to_owned(),
                stop: stop.clone(),
                done: done.clone(),
            };
            std::thread::spawn(move || client.run())
        };
        let threads = (0..connections).map(client).collect();
        Self {
            stop,
            done,
            threads,
        }
    }

    /// Waits until this many more requests were answered.
    #[track_caller]
    pub fn more(&self, count: usize) {
        let goal = self.done.load(Ordering::SeqCst) + count;
        crate::until("more requests under load", || {
            (self.done.load(Ordering::SeqCst) >= goal).then_some(())
        });
    }

    pub fn finish(self) -> Tally {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Tally::default();
        for thread in self.threads {
            let tally = thread.join().expect("a client panicked");
            all.good += tally.good;
            all.failures.extend(tally.failures);
            all.bodies.extend(tally.bodies);
        }
        all
    }
}

impl Tally {
    /// Panics unless every request was answered with 200.
    #[track_caller]
    pub fn lost_nothing(self) -> Self {
        let lost = self.failures.len();
        assert!(
            self.failures.is_empty(),
            "{lost} failed, {} good: {:?}",
            self.good,
            &self.failures[..lost.min(5)]
        );
        assert!(self.good > 0, "nothing was asked");
        self
    }
}

struct Client {
    address: String,
    path: String,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
}

impl Client {
    fn run(self) -> Tally {
        let mut tally = Tally::default();
        let mut kept = None;
        while !self.stop.load(Ordering::SeqCst) {
            match self.ask(&mut kept) {
                Ok(answer) if answer.status == 200 && answer.complete => {
                    tally.good += 1;
                    tally
                        .bodies
                        .insert(String::from_utf8_lossy(&answer.body).into_owned());
                }
                Ok(answer) => tally
                    .failures
                    .push(format!("{} (complete: {})", answer.status, answer.complete)),
                Err(error) => tally.failures.push(error.to_string()),
            }
            self.done.fetch_add(1, Ordering::SeqCst);
        }
        tally
    }

    fn ask(&self, kept: &mut Option<Raw>) -> std::io::Result<Response> {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => Raw::connect(&self.address)?,
        };
        let answer = connection.ask(format!(
            "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            self.path
        ))?;
        if answer.keeps_alive() {
            *kept = Some(connection);
        }
        Ok(answer)
    }
}
