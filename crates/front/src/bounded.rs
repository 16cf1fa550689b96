//! Memory with a bound, by bytes of key: of files at hand, and of answers.
//!
//! quick_cache: sharded, and its policy (a form of CLOCK-Pro) does not let a crawler that walks through everything drive out
//! what visitors come for; a hit takes a shard's read lock and no allocation, and nothing has to be tidied up in the
//! background.

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

pub(crate) type Bounded<V, W> = Cache<Box<[u8]>, V, W>;

/// One for about `items` entries, which together weigh no more than `weight`. A shard refuses what is heavier than itself.
pub(crate) fn bounded<V, W>(items: u64, weight: u64, shards: u64, weighter: W) -> Bounded<V, W>
where
    V: Clone,
    W: Weighter<Box<[u8]>, V> + Clone,
{
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    #[expect(
        clippy::expect_used,
        reason = "it fails only if one of the two sizes is not given"
    )]
    let options = OptionsBuilder::new()
        .estimated_items_capacity(size(items))
        .weight_capacity(weight)
        .shards(size(shards))
        .build()
        .expect("both sizes are given");
    Cache::with_options(
        options,
        weighter,
        DefaultHashBuilder::default(),
        DefaultLifecycle::default(),
    )
}
