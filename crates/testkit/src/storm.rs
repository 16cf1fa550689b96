//! A bounded load that checks every answer: what goes on while a server is being mistreated.
//!
//! [`crate::Load`] asks for one page; a storm asks whatever it is told, knows what must come back, and
//! can open a connection for each request.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::raw::Raw;
use crate::response::Response;

/// What a client that was held up makes up for, at most.
const DEBT: Duration = Duration::from_secs(1);

/// One request and the body that must come back.
#[derive(Clone, Debug, Default)]
pub struct Question {
    pub method: &'static str,
    pub path: String,
    pub body: Vec<u8>,
    /// `None`: any body will do, and it is kept in [`Outcome::bodies`].
    pub expected: Option<Vec<u8>>,
}

/// How the storm blows.
#[derive(Clone)]
pub struct Weather {
    pub connections: usize,
    /// Otherwise every request has a connection of its own.
    pub keep_alive: bool,
    /// From one request of a connection to its next. Who is late makes up for it, so that the rate is kept on
    /// average.
    pub pace: Duration,
    /// Makes request `n`; the numbers of all connections differ.
    pub ask: fn(n: u64) -> Question,
}

/// A request that was not answered as it should be.
#[derive(Clone, Debug)]
pub struct Failure {
    /// When its answer, or the end of the wait for one, came: from the beginning of the storm.
    pub at: Duration,
    pub method: &'static str,
    pub path: String,
    /// `None` when there was no answer at all.
    pub status: Option<u16>,
    pub complete: bool,
    pub text: String,
}

impl std::fmt::Display for Failure {
    /// `12.345 s: GET /get/3: 502: …`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            at,
            method,
            path,
            status,
            complete,
            text,
        } = self;
        let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let cut = if *complete { "" } else { ", incomplete" };
        let text = text.replace('\n', " ");
        let at = at.as_secs_f64();
        write!(f, "{at:.3} s: {method} {path}: {status}{cut}: {text}")
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub good: u64,
    pub failures: Vec<Failure>,
    pub bodies: BTreeSet<String>,
    pub slowest: Duration,
    /// From the first request to the last answer.
    pub took: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    next: AtomicU64,
    done: AtomicU64,
    outcome: Mutex<Outcome>,
}

/// Goes on until it is told to finish.
#[derive(Debug)]
pub struct Storm {
    shared: Arc<Shared>,
    began: Instant,
    threads: Vec<JoinHandle<()>>,
}

impl Storm {
    pub fn start(address: &str, weather: &Weather) -> Self {
        let shared = Arc::<Shared>::default();
        let began = Instant::now();
        let client = |_| {
            let client = Client {
                began,
                address: address.to_owned(),
                weather: weather.clone(),
                shared: Arc::clone(&shared),
                kept: None,
            };
            std::thread::spawn(move || client.run())
        };
        let threads = (0..weather.connections).map(client).collect();
        Self {
            shared,
            began,
            threads,
        }
    }

    /// Requests that were answered, well or not.
    pub fn done(&self) -> u64 {
        self.shared.done.load(SeqCst)
    }

    /// Different bodies so far.
    pub fn bodies(&self) -> usize {
        self.shared.lock().bodies.len()
    }

    /// Failures so far.
    pub fn failures(&self) -> usize {
        self.shared.lock().failures.len()
    }

    /// Waits until this many more requests were answered.
    #[track_caller]
    pub fn more(&self, count: u64) {
        let goal = self.done() + count;
        crate::until("more requests in the storm", || {
            (self.done() >= goal).then_some(())
        });
    }

    pub fn finish(self) -> Outcome {
        self.shared.stop.store(true, SeqCst);
        for thread in self.threads {
            thread.join().expect("a client panicked");
        }
        let mut outcome = self.shared.lock().clone();
        outcome.took = self.began.elapsed();
        outcome
    }
}

impl Outcome {
    /// Panics unless every request was answered as it should be.
    #[track_caller]
    pub fn lost_nothing(self) -> Self {
        let lost = self.failures.len();
        let few = &self.failures[..lost.min(5)];
        let few: Vec<_> = few.iter().map(ToString::to_string).collect();
        assert!(lost == 0, "{lost} failed, {} good: {few:#?}", self.good);
        assert!(self.good > 0, "nothing was asked");
        self
    }

    /// Requests a second.
    pub fn rate(&self) -> f64 {
        (self.good as f64) / self.took.as_secs_f64()
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Client {
    began: Instant,
    address: String,
    weather: Weather,
    shared: Arc<Shared>,
    kept: Option<Raw>,
}

impl Client {
    fn run(mut self) {
        let mut due = Instant::now();
        while !self.shared.stop.load(SeqCst) {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            due = (due + self.weather.pace).max(Instant::now() - DEBT);
            let began = Instant::now();
            let question = (self.weather.ask)(self.shared.next.fetch_add(1, SeqCst));
            let answer = self.ask(&question);
            self.judge(&question, answer, began.elapsed());
            self.shared.done.fetch_add(1, SeqCst);
        }
    }

    fn ask(&mut self, question: &Question) -> std::io::Result<Response> {
        let kept = self.kept.take();
        let mut connection = kept.map_or_else(|| Raw::connect(&self.address), Ok)?;
        let Question {
            method, path, body, ..
        } = question;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        if !self.weather.keep_alive {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        let answer = connection.ask([head.as_bytes(), body].concat())?;
        if answer.keeps_alive() {
            self.kept = Some(connection);
        }
        Ok(answer)
    }

    fn judge(&self, question: &Question, answer: std::io::Result<Response>, took: Duration) {
        let mut outcome = self.shared.lock();
        outcome.slowest = outcome.slowest.max(took);
        let (status, complete, text) = match answer {
            Ok(answer) => {
                let wanted = question.expected.as_ref();
                let right = wanted.is_none_or(|wanted| *wanted == answer.body);
                if answer.status == 200 && answer.complete && right {
                    outcome.good += 1;
                    if wanted.is_none() {
                        let body = String::from_utf8_lossy(&answer.body).into_owned();
                        outcome.bodies.insert(body);
                    }
                    return;
                }
                let text = String::from_utf8_lossy(&answer.body);
                let text = text.chars().take(200).collect();
                (Some(answer.status), answer.complete, text)
            }
            Err(error) => (None, false, error.to_string()),
        };
        outcome.failures.push(Failure {
            at: self.began.elapsed(),
            method: question.method,
            path: question.path.clone(),
            status,
            complete,
            text,
        });
    }
}
