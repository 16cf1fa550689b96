//! For tests only: runs the real program and looks at it from outside.
//!
//! [`Launch`] starts `hotclub`, [`Program`] is the running one and checks at its end that nothing is left
//! over. [`Raw`] speaks HTTP/1 byte by byte. [`Project`] makes Django projects, [`Postgres`] a cluster
//! that a user might have, [`Browser`] drives Chromium. All of it panics: a test that cannot go on
//! has failed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]

mod browser;
mod cgroup;
pub mod conformance;
mod docker;
mod frames;
mod gate;
mod launch;
mod lines;
mod load;
mod ports;
mod postgres;
mod processes;
mod program;
mod project;
mod python;
mod raw;
mod response;
mod slow;
mod steady;
mod storm;
mod wait;

pub use browser::{Browser, Element};
pub use cgroup::Cgroup;
pub use docker::Docker;
pub use frames::{Answered, END, END_HEADERS, Frame, Frames, asking, block, code, get, kind};
pub use gate::Gate;
pub use launch::{Ended, Launch};
pub use lines::Lines;
pub use load::{Load, Tally};
pub use ports::unused_port;
pub use postgres::Postgres;
pub use processes::{Process, children, descendants, descriptors, process};
pub use program::{Program, Signal};
pub use project::{Project, folder, repository};
pub use python::{Python, python};
pub use raw::Raw;
pub use response::{Framing, Response};
pub use slow::{Crowd, Kind};
pub use steady::{Steady, Timings};
pub use storm::{Failure, Outcome, Question, Storm, Weather};
pub use wait::{until, until_within};

/// The thing, or the test ends here: skipped with the reason, failed in CI.
#[macro_export]
macro_rules! need {
    ($what:expr) => {
        match $what {
            Ok(thing) => thing,
            Err(reason) => return $crate::skip(&reason),
        }
    };
}

/// A [`Docker`], or the end of the test.
#[macro_export]
macro_rules! engine {
    () => {
        match $crate::Docker::forbidden() {
            Some(reason) => return $crate::forbidden(&reason),
            None => $crate::need!($crate::Docker::start()),
        }
    };
}

/// Says why a test is not run where the kernel forbids what it needs: nothing could be installed, also not in CI.
pub fn forbidden(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// Says why a test is not run; in CI, where everything can be installed, that is a failure.
pub fn skip(reason: &str) {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    assert!(!ci, "not skipped in CI: {reason}");
    eprintln!("skipped: {reason}");
}
