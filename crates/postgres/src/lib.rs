//! PostgreSQL as Hotclub runs it: private clusters on a Unix socket, as a user that is not root, and a
//! readiness that is a query's answer. Nothing here knows Django; nothing else knows PostgreSQL.
//!
//! `programs` finds what is installed, `user` decides as whom it runs, `cluster` makes, starts and stops a
//! data directory, `role` keeps the app's role and database, `ready` waits for any database, ours or not.
//! `digest` tells whether what it says has changed. `access` is the superuser's way in, `backup` and `restore` are what a
//! site's data goes out and in by, `upgrade` moves them to another major version.

pub mod access;
pub mod backup;
pub mod cluster;
mod command;
mod connection;
mod digest;
mod error;
mod password;
pub mod programs;
pub mod ready;
pub mod restore;
mod role;
pub mod schedule;
mod stamp;
pub mod upgrade;
pub mod user;

pub use access::Access;
pub use cluster::{Cluster, Options, Server, Stopped};
pub use connection::Connection;
pub use digest::digest;
pub use error::Error;
pub use password::kept as kept_password;
pub use programs::{Programs, Version};
pub use ready::{
    Cause, NotReady, Place, Ready, Target, TargetError, wait_ready, wait_ready_watched,
};
pub use user::{RunAs, Unreachable, can_reach};
