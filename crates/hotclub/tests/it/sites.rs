//! Which site answers, and with what: sites without an app, redirects, hosts, several sites on one host.

mod access;
mod apart;
mod host;
mod large;
mod logs;
mod pages;
mod upstreams;
mod users;
