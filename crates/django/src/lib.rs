//! Asks a project what it is, builds its environment, and takes the steps before it is served.
//!
//! The order in which `hotclub up` uses the files: `find` → `lockfile` → `environment` → `learn`
//! (which repeats `inspect`, with `secrets` and `database` in between) → `migrate` → `collect` →
//! `compress`. Nothing here starts a server or reads `hotclub.toml`: callers hand over plain values.

pub mod app;
pub mod bytecode;
pub mod collect;
pub mod compress;
pub mod database;
pub mod environment;
pub mod error;
mod export;
pub mod find;
pub mod hosts;
mod human;
pub mod image;
pub mod inspect;
pub mod inspection;
mod installer;
mod interpreter;
pub mod learn;
pub mod lockfile;
pub mod migrate;
mod ownership;
mod packages;
pub mod progress;
mod requirements;
mod run;
pub mod scripts;
pub mod secrets;
pub mod sources;
mod traceback;

pub use app::{App, Vars, Within};
pub use error::Error;
pub use ownership::give;
pub use progress::{Progress, Report, Step};
