//! Which site answers, and with what: sites without an app, redirects, hosts, several sites on one host.

mod host;
mod pages;
