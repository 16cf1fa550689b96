//! The caches of all sites, by name. A site's new table finds the cache of its old one, emptied: what the
//! old code answered is not what the new code would.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hotclub_config::Cache as Options;

use super::{Cache, CacheStats, Purge, Seat};

#[derive(Debug, Default)]
pub(crate) struct Registry {
    caches: Mutex<BTreeMap<String, Weak<Cache>>>,
    generations: AtomicU64,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Weak<Cache>>> {
        self.caches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The seat of a site that is about to be shown. From here on nothing of its older code is kept.
    pub(crate) fn enter(&self, site: &str, options: &Options) -> Seat {
        let generation = self.generations.fetch_add(1, Relaxed) + 1;
        let mut caches = self.lock();
        caches.retain(|_, cache| cache.strong_count() > 0);
        let known = caches.get(site).and_then(Weak::upgrade);
        let cache = match known {
            Some(known) if known.options == *options => known,
            other => {
                let counts = other.map_or_else(Arc::default, |other| Arc::clone(&other.counts));
                let new = Arc::new(Cache::new(options, counts));
                caches.insert(site.to_owned(), Arc::downgrade(&new));
                new
            }
        };
        cache.generation.store(generation, Relaxed);
        cache.purge(&Purge::All);
        Seat { cache, generation }
    }

    pub(crate) fn purge(&self, site: &str, meant: &Purge) -> Option<u64> {
        let cache = self.lock().get(site)?.upgrade()?;
        Some(cache.purge(meant))
    }

    /// Of all sites that have one.
    pub(crate) fn stats(&self) -> Vec<(String, CacheStats)> {
        let caches = self.lock();
        let live = caches
            .iter()
            .filter_map(|(site, cache)| Some((site, cache.upgrade()?)));
        live.map(|(site, cache)| (site.clone(), cache.stats()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_keeps_its_counts_and_nothing_else_from_one_generation_to_the_next() {
        let registry = Registry::default();
        let mut options = Options {
            enabled: true,
            ..Options::default()
        };
        let old = registry.enter("a", &options);
        old.cache.counts.hits.fetch_add(3, Relaxed);
        let new = registry.enter("a", &options);
        assert!(Arc::ptr_eq(&old.cache, &new.cache));
        assert!(!old.is_current() && new.is_current());
        options.max_memory *= 2;
        let other = registry.enter("a", &options);
        assert!(!Arc::ptr_eq(&new.cache, &other.cache));
        assert_eq!(registry.stats()[0].1.hits, 3);
        drop((old, new, other));
        assert!(registry.stats().is_empty());
        assert_eq!(registry.purge("a", &Purge::All), None);
    }
}
