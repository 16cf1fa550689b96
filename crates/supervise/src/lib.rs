//! Child processes: started, watched, restarted, ended. Knows no HTTP and no Python.

mod backoff;
mod process;

pub use backoff::Backoff;
pub use process::{Ending, Process, RunAs};
