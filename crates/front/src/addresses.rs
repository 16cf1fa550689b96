//! How many connections each address has, so that one cannot take all places.
//!
//! Of IPv6 the first 64 bits count: one customer is given at least that much, and changes the rest at
//! will. Trusted proxies stand for many people and are not counted, nor is a Unix socket.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::tally::Tally;
use crate::trust::TrustedProxies;

/// Whose connection it is: an IPv4 address, or the first half of an IPv6 address above bit 64.
type Key = u128;

/// Open connections of each address that has one.
type Counts = Arc<Mutex<HashMap<Key, usize>>>;

/// Shared by all threads. A short lock for each connection that comes or goes.
#[derive(Debug)]
pub(crate) struct Addresses {
    most: usize,
    counts: Counts,
    refused: Tally,
}

/// One connection's place in its address's count, given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct Guest(Option<(Key, Counts)>);

impl Addresses {
    /// At most `most` connections an address; 0 for no limit.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            counts: Arc::default(),
            refused: Tally::default(),
        }
    }

    /// A place for a connection from `peer`; `None` when its address has all it may have.
    pub(crate) fn admit(&self, peer: Option<IpAddr>, trusted: &TrustedProxies) -> Option<Guest> {
        let Some(peer) = peer.filter(|peer| self.most > 0 && !trusted.trusts(Some(*peer))) else {
            return Some(Guest::default());
        };
        let key = key(peer);
        let mut counts = lock(&self.counts);
        let count = counts.entry(key).or_insert(0);
        if *count < self.most {
            *count += 1;
            drop(counts);
            return Some(Guest(Some((key, Arc::clone(&self.counts)))));
        }
        drop(counts);
        self.complain(peer);
        None
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refused.total()
    }

    fn complain(&self, peer: IpAddr) {
        if let Some(count) = self.refused.add() {
            tracing::warn!(
                "{count} connections closed at once: {peer} has {} open, as many as an address may\n\
                 hint: if that is a proxy of yours, name it in server.trusted_proxies \
                 (serve: --forwarded-allow-ips); else see limits.max_connections_per_address",
                self.most
            );
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let Some((key, counts)) = self.0.take() else {
            return;
        };
        let mut counts = lock(&counts);
        if let Some(count) = counts.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&key);
            }
        }
    }
}

/// Whom an address stands for.
pub(crate) fn key(peer: IpAddr) -> Key {
    match peer.to_canonical() {
        IpAddr::V4(peer) => peer.to_bits().into(),
        // Never zero in its upper half for a peer but `::1`, which is told apart from IPv4 by bit 32.
        IpAddr::V6(peer) => (peer.to_bits() >> 64 << 64) | 1 << 32,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(addresses: &Addresses, peer: &str) -> Option<Guest> {
        let trusted = TrustedProxies::parse(["10.0.0.0/8"]).unwrap();
        addresses.admit(Some(peer.parse().unwrap()), &trusted)
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let addresses = Addresses::new(2);
        let first = admit(&addresses, "192.0.2.1").unwrap();
        let _second = admit(&addresses, "::ffff:192.0.2.1").unwrap();
        assert!(admit(&addresses, "192.0.2.1").is_none());
        assert!(admit(&addresses, "192.0.2.2").is_some());
        drop(first);
        assert!(admit(&addresses, "192.0.2.1").is_some());
        assert_eq!(addresses.refused(), 1);
        assert_eq!(lock(&addresses.counts).len(), 1);
    }

    #[test]
    fn a_64_of_ipv6_is_one_address() {
        let addresses = Addresses::new(1);
        let _first = admit(&addresses, "2001:db8:0:1::1").unwrap();
        assert!(admit(&addresses, "2001:db8:0:1:ffff::2").is_none());
        assert!(admit(&addresses, "2001:db8:0:2::1").is_some());
    }

    #[test]
    fn trusted_proxies_unix_sockets_and_a_limit_of_none_are_not_counted() {
        let addresses = Addresses::new(1);
        let all: Vec<_> = (0..5).map(|_| admit(&addresses, "10.1.2.3")).collect();
        assert!(all.iter().all(Option::is_some));
        let nobody = TrustedProxies::default();
        let all: Vec<_> = (0..5).map(|_| addresses.admit(None, &nobody)).collect();
        assert!(all.iter().all(Option::is_some));
        let addresses = Addresses::new(0);
        let all: Vec<_> = (0..5).map(|_| admit(&addresses, "192.0.2.1")).collect();
        assert!(all.iter().all(Option::is_some));
    }
}
