//! The front: what reads network bytes. Given listeners and a table of sites; starts no process.
//!
//! The way of a request: `listen` → `conn` (`tls`) → `h1` or `h2` (parse, framing) → `policy` → `exchange` →
//! `route` → `handle` (files or app) → `respond` (our own answers) → `h1` or `h2` (write) →
//! `access_log`.

mod access;
mod access_log;
mod addresses;
mod answer;
mod bounded;
mod cache;
mod clock;
mod compress;
mod conn;
mod counts;
mod dress;
mod environ;
mod exchange;
mod extent;
pub mod files;
mod flow;
mod front;
#[doc(hidden)]
pub mod fuzz;
mod h1;
mod h2;
mod handle;
mod head;
mod host;
mod hosts;
mod limits;
mod listen;
pub mod message;
mod mount;
mod named_file;
mod observer;
mod own_file;
mod path;
mod policy;
#[doc(hidden)]
pub mod probe;
mod proxy;
mod proxy_header;
mod redirect;
mod request;
mod request_id;
mod respond;
mod route;
pub mod scrape;
mod secure;
mod socket;
mod spool;
mod sys;
mod table;
mod tally;
mod target;
mod thread;
mod tls;
mod trust;

pub use access::{Gate, GateFault, password_hash};
pub use access_log::{AccessLog, Format, Rotation, Sink};
pub use cache::{CacheStats, Filling, Purge};
pub use compress::Coded;
pub use counts::{BOUNDS, Distribution, SiteTotals};
pub use dress::Dress;
pub use flow::Flow;
pub use front::{Front, Options};
pub use hosts::HostMap;
pub use limits::Limits;
pub use listen::{Address, Listener};
pub use mount::Mount;
pub use observer::{Connections, Observer};
pub use proxy::{Proxy, ProxyTlsError, Tunnel, UpstreamBody};
pub use redirect::Redirect;
pub use secure::Https;
pub use table::{AppRoute, Found, NamedFiles, Site, Table};
pub use tls::{Certificate, CertificateError, Certificates, Challenges, Keyring, PackedKeys};
pub use trust::{TrustError, TrustedProxies};
