//! The front: what reads network bytes. Given listeners and a table of sites; starts no process.
//!
//! The way of a request: `listen` → `h1` (parse, framing) → `policy` → `exchange` → `route` → `handle` (files or
//! app) → `respond` (our own answers) → `h1` (write) → `access_log`.

mod access_log;
mod addresses;
mod answer;
mod clock;
mod counts;
mod environ;
mod exchange;
pub mod files;
mod flow;
mod front;
#[doc(hidden)]
pub mod fuzz;
mod h1;
mod handle;
mod head;
mod host;
mod hosts;
mod limits;
mod listen;
pub mod message;
mod named_file;
mod observer;
mod own_file;
mod path;
mod policy;
mod request;
mod request_id;
mod respond;
mod route;
pub mod scrape;
mod socket;
mod spool;
mod sys;
mod table;
mod tally;
mod target;
mod thread;
mod trust;

pub use access_log::{AccessLog, Format, Sink};
pub use counts::{BOUNDS, Distribution, SiteTotals};
pub use flow::Flow;
pub use front::{Front, Options};
pub use hosts::HostMap;
pub use limits::Limits;
pub use listen::{Address, Listener};
pub use observer::{Connections, Observer};
pub use table::{AppRoute, Mount, NamedFiles, Site, Table};
pub use trust::{TrustError, TrustedProxies};
