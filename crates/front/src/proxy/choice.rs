//! Which upstream is asked: pure, from what is known of each.

use std::time::Instant;

use hotclub_config::Balance;

use super::health::Health;

/// One upstream, as far as choosing goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) health: Health,
    /// Requests under way.
    pub(crate) active: usize,
    /// This request was there already, and failed.
    pub(crate) tried: bool,
}

/// The position of the one to ask; `turn` goes up by one with every choice. `None`: no one may be asked.
///
/// Those that were tried come last, those in a pause last of all: a guess that is old is better than a
/// refusal that is certain.
pub(crate) fn choose(
    balance: Balance,
    turn: usize,
    candidates: &[Candidate],
    now: Instant,
) -> Option<usize> {
    let count = candidates.len();
    let in_turn = || (0..count).map(|step| (turn.wrapping_add(step)) % count);
    let load = |at: usize| match balance {
        Balance::LeastConnections => candidates[at].active,
        Balance::RoundRobin => 0,
    };
    let available = |at: &usize| candidates[*at].health.is_available(now);
    let fresh = in_turn()
        .filter(available)
        .filter(|at| !candidates[*at].tried);
    // min_by_key keeps the first of equals.
    fresh
        .min_by_key(|at| load(*at))
        .or_else(|| in_turn().filter(available).min_by_key(|at| load(*at)))
        .or_else(|| {
            in_turn()
                .filter(|at| candidates[*at].health.may_be_tried())
                .min_by_key(|at| (candidates[*at].tried, candidates[*at].health.paused_until()))
        })
}
