//! One server that requests are passed on to: its address, its health, what it has to do. Shared by all
//! threads of the front.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio_rustls::TlsConnector;

use super::health::{Change, Event, Health, Policy};
use super::tls::{ClientTls, ProxyTlsError};

/// Where it is.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Tcp {
        host: String,
        port: u16,
    },
    Tls {
        host: String,
        port: u16,
        tls: ClientTls,
    },
    Unix(PathBuf),
}

#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: Address,
    /// As it was written, for log lines.
    pub(crate) name: String,
    /// Host and port as a Host field has them; for health checks.
    pub(crate) authority: String,
    health: Mutex<Health>,
    active: AtomicUsize,
}

impl Upstream {
    /// One of those of `proxy`; over https `connector` connects.
    pub(crate) fn new(
        config: &hotclub_config::Upstream,
        proxy: &hotclub_config::Proxy,
        connector: Option<&TlsConnector>,
    ) -> Result<Self, ProxyTlsError> {
        use hotclub_config::Upstream as To;
        let name = config.to_string();
        let authority = name.split_once("://").map_or("localhost", |(_, rest)| rest);
        let address = match (config, connector) {
            (To::Https { host, port }, Some(connector)) => Address::Tls {
                tls: ClientTls::new(connector, proxy.tls_name.as_deref(), host)?,
                host: host.clone(),
                port: *port,
            },
            (To::Http { host, port } | To::Https { host, port }, _) => Address::Tcp {
                host: host.clone(),
                port: *port,
            },
            (To::Unix(path), _) => Address::Unix(path.clone()),
        };
        Ok(Self {
            address,
            authority: authority.to_owned(),
            name,
            health: Mutex::default(),
            active: AtomicUsize::new(0),
        })
    }

    pub(crate) fn health(&self) -> Health {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what happened, and tells the log when that changes who is in service.
    pub(crate) fn note(&self, event: Event, policy: Policy) {
        let change = {
            let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
            let (next, change) = health.step(event, Instant::now(), policy);
            *health = next;
            change
        };
        let name = &self.name;
        match change {
            Some(Change::Paused(pause)) => {
                tracing::warn!("upstream {name} fails: left alone for {pause:?}");
            }
            Some(Change::TakenOut) => {
                tracing::warn!("upstream {name} fails its health check: nothing is sent to it");
            }
            Some(Change::Back) => tracing::info!("upstream {name} answers again"),
            None => {}
        }
    }

    /// Requests under way.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Relaxed)
    }
}

/// One request under way at an upstream; dropped when its answer is over.
#[derive(Debug)]
pub(crate) struct Lease {
    upstream: Arc<Upstream>,
}

impl Lease {
    pub(crate) fn new(upstream: &Arc<Upstream>) -> Self {
        upstream.active.fetch_add(1, Relaxed);
        Self {
            upstream: Arc::clone(upstream),
        }
    }

    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.upstream.active.fetch_sub(1, Relaxed);
    }
}
