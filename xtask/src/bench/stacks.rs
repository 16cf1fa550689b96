//! The stacks: Hotclub, and app servers alone or behind a front, each started as its own documentation
//! advises for production.

pub(super) mod app_server;
pub(super) mod caching_nginx;
pub(super) mod caddy;
pub(super) mod composed;
pub(super) mod contained;
pub(super) mod front;
pub(super) mod haproxy;
pub(super) mod hotclub;
pub(crate) mod nginx;
