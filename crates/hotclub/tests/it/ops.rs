//! What operators hold on to: systemd, metrics, upgrades of the running program.

mod metrics;
mod systemd;
pub(crate) mod upgrade;
