//! A site that is closed for a while: for as long as a file called `maintenance` lies in its state folder.
//!
//! The disk is asked at most once a second and only when somebody comes, so that nothing has to be told
//! to a running server, and a flag outlives a restart.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hotclub_config::defaults::MAINTENANCE_RETRY;
use ipnet::IpNet;

use super::is_in;
use crate::respond::Trouble;

/// The file's name.
const FILE: &str = "maintenance";
/// How long an answer of the disk holds.
const HOLDS: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Maintenance {
    file: PathBuf,
    allow: Vec<IpNet>,
    retry_after: Duration,
    started: Instant,
    /// Milliseconds since `started` at which the disk is to be asked again.
    ask_at: AtomicU64,
    is_on: AtomicBool,
}

impl Maintenance {
    pub(super) fn new(wanted: &hotclub_config::Maintenance, state: &Path) -> Self {
        Self {
            file: state.join(FILE),
            allow: wanted.allow.clone(),
            retry_after: wanted.retry_after.unwrap_or(MAINTENANCE_RETRY),
            started: Instant::now(),
            ask_at: AtomicU64::new(0),
            is_on: AtomicBool::new(false),
        }
    }

    pub(super) fn check(&self, client: Option<IpAddr>) -> Result<(), Trouble> {
        if !self.is_on() || client.is_some_and(|client| is_in(&self.allow, client)) {
            return Ok(());
        }
        Err(Trouble::Maintenance {
            seconds: self.retry_after.as_secs().max(1),
        })
    }

    fn is_on(&self) -> bool {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now = millis(self.started.elapsed());
        if now < self.ask_at.load(Ordering::Relaxed) {
            return self.is_on.load(Ordering::Relaxed);
        }
        // Two threads may ask at a time: they get the same answer.
        let is_on = self.file.exists();
        self.is_on.store(is_on, Ordering::Relaxed);
        self.ask_at.store(now + millis(HOLDS), Ordering::Relaxed);
        is_on
    }
}
