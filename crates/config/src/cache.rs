//! `[cache]` as the rest of Hotclub sees it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::defaults;

/// What is kept of the answers of apps and proxied servers. A file without `[cache]` keeps nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    pub enabled: bool,
    /// How long pages are kept of which the app says nothing, for visitors without Cookie and Authorization;
    /// `None` (written `"0s"`, and the default): not at all.
    pub anonymous: Option<Duration>,
    /// Bytes of all answers in memory.
    pub max_memory: u64,
    /// Bytes of all answers in files.
    pub max_disk: u64,
    /// Bytes of the longest answer that is kept.
    pub max_object: u64,
    /// How long a request waits for another one that asks for the same.
    pub wait: Duration,
    /// How long an answer that is too old may still be shown when the app fails, where the app does not say.
    pub stale_if_error: Duration,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            enabled: false,
            anonymous: None,
            max_memory: defaults::CACHE_MEMORY,
            max_disk: defaults::CACHE_DISK,
            max_object: defaults::CACHE_OBJECT,
            wait: defaults::CACHE_WAIT,
            stale_if_error: defaults::CACHE_STALE_IF_ERROR,
        }
    }
}
