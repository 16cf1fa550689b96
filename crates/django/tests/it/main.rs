//! Real Django in a real virtualenv: every test makes a project on the spot and asks it.
#![allow(clippy::unwrap_used)] // Clippy spares test functions only, not what they call.

mod collect;
mod environment;
mod inspect;
mod learn;
mod migrate;
mod support;
