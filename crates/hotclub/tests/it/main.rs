//! The real program from outside: real Python, real Django, real PostgreSQL, real sockets.
//!
//! Every test ends with `Program::stop` or expects the program's end, and with either that nothing is left
//! over. Tests with `postgres` or `browser` in their name need those.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]

mod browser;
mod cache;
mod chaos;
mod conformance;
mod db;
mod docker;
mod export;
mod host;
mod http2;
mod https;
mod import;
mod inspect;
mod limits;
mod ops;
mod portfolio;
mod serve;
mod sites;
mod up;
mod wsgi;

use hotclub_testkit::Launch;

/// The program that was built for these tests.
fn hotclub() -> Launch {
    Launch::new(env!("CARGO_BIN_EXE_hotclub"))
}
