//! Waiting for something to become true, with a deadline. Never a sleep of a fixed length.

use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until there is an answer; panics after 30 s.
#[track_caller]
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_within(DEADLINE, what, ask)
}

/// Asks until there is an answer; panics after `deadline`.
#[track_caller]
pub fn until_within<T>(deadline: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            began.elapsed() < deadline,
            "waited {deadline:?} for: {what}"
        );
        std::thread::sleep(PAUSE);
    }
}
