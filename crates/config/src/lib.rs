//! `hotclub.toml`: text with spans → checked → an immutable model. All faults at once, each with its line,
//! a caret and advice. No async, and no I/O but reading the file and the env files that it names.
//!
//! The way of a text: `read` (tables and keys, one file a section) → `value` (one value of each kind) →
//! `model`. Numbers that nobody wrote come from `defaults`.

use std::path::Path;

mod access;
mod cache;
pub mod defaults;
pub mod env_file;
mod fault;
mod host;
mod hosts;
mod https;
mod listen;
mod load;
mod model;
mod mount;
mod name;
mod proxy;
mod read;
mod runtime;
mod secret;
mod unsupported;
mod value;
mod web;

pub use access::{Access, Gate, Headers, Maintenance, PerTime, Rate};
pub use cache::Cache;
pub use fault::{Fault, Faults, Severity};
pub use host::{Deployed, HOST_FILE, Host, Household, load_host};
pub use hosts::shown as shown_host;
pub use https::{Acme, CertificateSource, ChallengeKind, ExternalAccount, HmacSource, Https};
pub use listen::{ListenError, Local, LocalError};
pub use load::{lay_over, load};
pub use model::{
    AccessLog, App, Backup, Compress, Database, Engine, Env, EnvVar, Files, Limits, Listen, Log,
    LogFormat, Origin, Process, Python, Release, Server, Site, Tune,
};
pub use mount::{Mount, MountError};
pub use name::is_name;
pub use proxy::{Balance, Health, Proxy, Upstream, UpstreamError};
pub use runtime::{Runtime, RuntimeKind, Volume, VolumeSource};
pub use secret::Secret;
pub use unsupported::unsupported;
pub use value::{SizeError, bytes};
pub use web::{From as RedirectFrom, Redirect, Static};

/// The file's name in a project.
pub const FILE_NAME: &str = "hotclub.toml";

/// Reads a text as the file at `file` (which need not exist: only its folder and name are used).
/// Env files are not read.
pub fn parse(text: &str, file: &Path) -> Result<Site, Faults> {
    read::site(text, file)
}
