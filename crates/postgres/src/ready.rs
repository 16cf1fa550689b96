//! Waits until a database is ready: a connection that authenticated and answered a query. Tried with
//! backoff until a deadline; what waiting cannot heal (a wrong password) fails after a short grace.
//! The cause of the last failure is kept apart from all others, with advice for each.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

mod cause;
mod target;
mod tls;

pub use cause::Cause;
pub(crate) use target::Session;
pub use target::{Place, Target, TargetError};

/// How often to ask, and how long to believe that a refusal may pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The first pause between attempts; each is twice the one before, up to `longest`.
    first: Duration,
    longest: Duration,
    /// Whether a refusal gets a grace.
    lenient: bool,
}

/// For a database of someone else's.
const FOREIGN: Pace = Pace {
    first: Duration::from_millis(50),
    longest: Duration::from_secs(2),
    lenient: true,
};

/// For a server of our own that is just starting: it takes moments, and what it refuses it means.
pub(crate) const OWN: Pace = Pace {
    first: Duration::from_millis(20),
    longest: Duration::from_millis(100),
    lenient: false,
};

/// One attempt: a server that does not answer a login within this has another problem.
const ATTEMPT: Duration = Duration::from_secs(5);

/// A database that may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// It answered a query.
    Answered { version: String },
    /// It is there and speaks PostgreSQL's protocol, but wants TLS, which Hotclub does not speak to
    /// databases: the app's own driver will log in.
    BehindTls,
}

/// Why it cannot be used, after all that waiting.
#[derive(Debug)]
pub struct NotReady {
    /// Without the password.
    pub target: String,
    pub cause: Cause,
    pub waited: Duration,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the database at {} is not ready: {}",
            self.target, self.cause
        )?;
        write!(f, " (waited {:.1} s)", self.waited.as_secs_f64())
    }
}

impl std::error::Error for NotReady {}

impl NotReady {
    /// What to do next.
    pub fn hint(&self) -> String {
        self.cause.hint().to_owned()
    }
}

/// Waits until the database answers, at most `deadline`.
pub async fn wait_ready(target: &Target, deadline: Duration) -> Result<Ready, NotReady> {
    wait_ready_watched(target, deadline, |_| {}).await
}

/// The same; `watch` sees the cause of every failed attempt, for a line such as "still starting up".
pub async fn wait_ready_watched(
    target: &Target,
    deadline: Duration,
    watch: impl FnMut(&Cause),
) -> Result<Ready, NotReady> {
    wait_paced(target, deadline, FOREIGN, watch).await
}

pub(crate) async fn wait_paced(
    target: &Target,
    deadline: Duration,
    pace: Pace,
    mut watch: impl FnMut(&Cause),
) -> Result<Ready, NotReady> {
    let start = Instant::now();
    let end = start + deadline;
    let mut pause = pace.first;
    // Grace runs from when the database began to refuse, not from the start: one that boots for 20 s
    // may well refuse at first, too.
    let mut refused_since = None;
    let mut last = None;
    loop {
        let attempt = attempt(target, end.min(Instant::now() + ATTEMPT)).await;
        let cause = match (attempt, last) {
            (Ok(ready), _) => return Ok(ready),
            // An attempt that the deadline cut short says less than the one before it.
            (Err(Cause::Silent), Some(before)) if Instant::now() >= end => before,
            (Err(cause), _) => cause,
        };
        last = Some(cause.clone());
        watch(&cause);
        let now = Instant::now();
        let limit = match cause.grace() {
            Some(_) if !pace.lenient => now,
            Some(grace) => end.min(*refused_since.get_or_insert(now) + grace),
            None => {
                refused_since = None;
                end
            }
        };
        if now + pause >= limit {
            let cause = match cause {
                Cause::Silent => tls::who_is_silent(target).await,
                other => other,
            };
            let waited = start.elapsed();
            return Err(NotReady {
                target: target.to_string(),
                cause,
                waited,
            });
        }
        sleep_until(now + pause).await;
        pause = (pause * 2).min(pace.longest);
    }
}

async fn attempt(target: &Target, until: Instant) -> Result<Ready, Cause> {
    let attempt = async {
        match target.require_tls {
            true => tls::probe(target).await,
            false => query(target).await,
        }
    };
    timeout_at(until, attempt)
        .await
        .unwrap_or(Err(Cause::Silent))
}

async fn query(target: &Target) -> Result<Ready, Cause> {
    let (client, session) = match target.log_in().await {
        Ok(pair) => pair,
        Err(error) => {
            return match Cause::of(&error) {
                Cause::WantsTls => Ok(Ready::BehindTls),
                cause => Err(cause),
            };
        }
    };
    let answer = client
        .query_one("SELECT current_setting('server_version')", &[])
        .await;
    drop(client);
    let _ = session.await;
    let version = answer
        .and_then(|row| row.try_get(0))
        .map_err(|error| Cause::of(&error))?;
    Ok(Ready::Answered { version })
}
