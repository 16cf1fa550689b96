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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proxy::health::{Event, Policy};

    fn health(events: &[Event], now: Instant) -> Health {
        let policy = Policy {
            max_fails: 1,
            pause: Duration::from_secs(5),
        };
        let step = |health: Health, event: &Event| health.step(*event, now, policy).0;
        events.iter().fold(Health::default(), step)
    }

    #[test]
    fn the_best_is_chosen_and_the_least_bad_when_there_is_none() {
        let now = Instant::now();
        let earlier = now.checked_sub(Duration::from_secs(1)).unwrap();
        let candidate = |health, active, tried| Candidate {
            health,
            active,
            tried,
        };
        let well = |active, tried| candidate(Health::default(), active, tried);
        let paused = |tried| candidate(health(&[Event::Failed], now), 0, tried);
        let longer = candidate(health(&[Event::Failed], earlier), 0, false);
        let out = candidate(health(&[Event::CheckFailed], now), 0, false);
        let least = Balance::LeastConnections;
        let round = Balance::RoundRobin;
        for (balance, turn, candidates, expected) in [
            (
                least,
                0,
                vec![well(3, false), well(1, false), well(2, false)],
                Some(1),
            ),
            (least, 0, vec![well(1, false), well(1, false)], Some(0)),
            (least, 1, vec![well(1, false), well(1, false)], Some(1)),
            (
                round,
                2,
                vec![well(3, false), well(1, false), well(9, false)],
                Some(2),
            ),
            (
                round,
                3,
                vec![well(3, false), well(1, false), well(9, false)],
                Some(0),
            ),
            (
                round,
                usize::MAX,
                vec![well(0, false), well(0, false)],
                Some(1),
            ),
            (least, 0, vec![paused(false), well(9, false)], Some(1)),
            (least, 0, vec![well(0, true), well(9, false)], Some(1)),
            (least, 0, vec![well(0, true), paused(false)], Some(0)),
            (least, 0, vec![paused(false), longer], Some(1)),
            (least, 0, vec![longer, paused(false)], Some(0)),
            (least, 0, vec![paused(true), paused(false)], Some(1)),
            (least, 0, vec![out, paused(false)], Some(1)),
            (least, 0, vec![out, out], None),
            (least, 0, vec![], None),
        ] {
            let chosen = choose(balance, turn, &candidates, now);
            assert_eq!(chosen, expected, "{balance:?} {turn} {candidates:?}");
        }
    }
}
