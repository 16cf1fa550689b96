//! How often one address may ask: the generic cell rate algorithm, which needs one number an address.
//!
//! The number is the time at which the address would have used up nothing. It lies in one of a few small maps
//! with a lock each; a path without a limit comes to none of them. Of IPv6 the first 64 bits count.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::place::Place;
use crate::addresses;
use crate::request::Request;
use crate::respond::Trouble;

const SHARDS: usize = 16;
/// Addresses that are remembered in a shard: 65,536 in all, 2 MB. Beyond that newcomers pass uncounted:
/// whoever has so many addresses is not held by a limit for one, and nobody else shall pay for them.
const REMEMBERED: usize = 4096;

#[derive(Debug)]
pub(super) struct Limiter {
    place: Place,
    methods: Vec<Box<[u8]>>,
    /// Between two requests that keep to the rate.
    interval: Duration,
    /// How far an address may be ahead of that.
    ahead: Duration,
    started: Instant,
    shards: [Mutex<HashMap<u128, Duration>>; SHARDS],
}

impl Limiter {
    pub(super) fn new(rate: &hotclub_config::Rate) -> Self {
        let interval = rate.limit.time / rate.limit.count.max(1);
        let methods = rate.methods.iter();
        Self {
            place: Place::new(rate.url.as_str()),
            methods: methods.map(|method| method.as_bytes().into()).collect(),
            interval,
            ahead: interval * rate.burst.saturating_sub(1),
            started: Instant::now(),
            shards: Default::default(),
        }
    }

    /// Counts a request that this limit is for.
    pub(super) fn check(&self, path: &[u8], request: &Request) -> Result<(), Trouble> {
        let is_meant = self.methods.is_empty()
            || self
                .methods
                .iter()
                .any(|method| **method == *request.method);
        if !is_meant || !self.place.covers(path) {
            return Ok(());
        }
        // All on a Unix socket whose word is not taken are one.
        let key = request.client.map_or(0, addresses::key);
        self.count(key, self.started.elapsed()).map_err(|wait| {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            Trouble::TooOften { seconds }
        })
    }

    /// # Errors
    /// How long to wait.
    fn count(&self, key: u128, now: Duration) -> Result<(), Duration> {
        let fold = (key ^ (key >> 64)) as u64;
        let shard = (fold.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as usize % SHARDS;
        let mut shard = self.shards[shard]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let free_at = shard.get(&key).copied().unwrap_or_default().max(now);
        let ahead = free_at - now;
        if ahead > self.ahead {
            return Err(ahead - self.ahead);
        }
        if shard.len() >= REMEMBERED && !shard.contains_key(&key) {
            shard.retain(|_, free_at| *free_at > now);
            if shard.len() >= REMEMBERED {
                return Ok(());
            }
        }
        shard.insert(key, free_at + self.interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(text: &str) -> Limiter {
        let text = format!("[[rate]]\nurl = '/login/'\n{text}");
        let site = hotclub_config::parse(&text, std::path::Path::new("/x/hotclub.toml")).unwrap();
        Limiter::new(&site.gate.rates[0])
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let limiter = limiter("limit = '6/m'\nburst = 3");
        for _ in 0..3 {
            assert_eq!(limiter.count(1, at(100)), Ok(()));
        }
        assert_eq!(limiter.count(1, at(100)), Err(at(10)));
        assert_eq!(limiter.count(1, at(109)), Err(at(1)));
        assert_eq!(limiter.count(1, at(110)), Ok(()));
        assert_eq!(limiter.count(1, at(110)), Err(at(10)));
        assert_eq!(limiter.count(2, at(110)), Ok(()), "another address");
        for _ in 0..3 {
            assert_eq!(limiter.count(1, at(1000)), Ok(()));
        }
        assert_eq!(limiter.count(1, at(1000)), Err(at(10)));
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let limiter = limiter("limit = '1/d'");
        for key in 0..200_000 {
            assert_eq!(limiter.count(key, at(1)), Ok(()));
        }
        let held: usize = limiter
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap().len())
            .sum();
        assert!((1..=SHARDS * REMEMBERED).contains(&held), "{held}");
        assert_eq!(limiter.count(0, at(2)), Err(at(86_399)));
        assert_eq!(limiter.count(300_000, at(200_000)), Ok(()));
    }
}
