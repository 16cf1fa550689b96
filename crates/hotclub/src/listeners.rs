//! Opens the sockets that the front is given, before anything else is started: a port that is taken is
//! found out at once.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use hotclub_config::Listen;
use hotclub_front::{Address, Listener};
use rustix::net::sockopt::socket_acceptconn;

use crate::console::Failure;
use crate::systemd::Systemd;

/// Open sockets; those in the file system are removed with it.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    sockets: Vec<Arc<Listener>>,
    /// Their files are somebody else's: systemd's, or a successor's.
    keep_paths: bool,
}

impl Listeners {
    /// Opens all of them, or says which one cannot be.
    pub(crate) fn open(addresses: &[Listen], option: &str) -> Result<Self, Failure> {
        let mut opened = Self {
            sockets: Vec::with_capacity(addresses.len()),
            keep_paths: false,
        };
        for listen in addresses {
            let address = match listen {
                Listen::Tcp(address) | Listen::Https(address) => Address::Tcp(*address),
                Listen::Unix(path) => Address::Unix(path.clone()),
            };
            let listener =
                Listener::bind(&address).map_err(|error| failure(&address, &error, option))?;
            opened.sockets.push(Arc::new(match listen {
                Listen::Https(_) => listener.https(),
                Listen::Tcp(_) | Listen::Unix(_) => listener,
            }));
        }
        Ok(opened)
    }

    /// Those of socket activation, if there are any; else opens these.
    pub(crate) fn activated_or_open(
        systemd: &Systemd,
        addresses: &[Listen],
        option: &str,
    ) -> Result<Self, Failure> {
        let sockets = systemd.sockets();
        if sockets.is_empty() {
            return Self::open(addresses, option);
        }
        let listening = |socket: &OwnedFd| socket_acceptconn(socket).unwrap_or(false);
        let usable = |socket: Option<OwnedFd>| socket.filter(listening);
        let sockets: Option<Vec<_>> = sockets.into_iter().map(usable).collect();
        let sockets = sockets.ok_or_else(|| {
            Failure::new("LISTEN_FDS announces a descriptor that is no listening socket")
                .hint("write ListenStream= and Accept=no in the .socket unit")
        })?;
        tracing::info!("the sockets that systemd opened are served, and no others ({option})");
        Self::adopt(sockets, true, addresses)
    }

    /// Takes sockets that somebody else opened; those on a port that `addresses` has for https are https.
    pub(crate) fn adopt(
        sockets: Vec<OwnedFd>,
        keep_paths: bool,
        addresses: &[Listen],
    ) -> Result<Self, Failure> {
        let is_https = |listener: &Listener| {
            addresses
                .iter()
                .any(|listen| match (listen, listener.address()) {
                    (Listen::Https(wanted), Address::Tcp(address)) => {
                        wanted.port() == 0 || wanted.port() == address.port()
                    }
                    _ => false,
                })
        };
        let sockets = sockets.into_iter().map(|socket| {
            let listener = Listener::from_fd(socket)?;
            let is_https = is_https(&listener);
            let listener = if is_https { listener.https() } else { listener };
            Ok::<_, io::Error>(Arc::new(listener))
        });
        Ok(Self {
            sockets: sockets.collect::<Result<_, _>>()?,
            keep_paths,
        })
    }

    /// The files of Unix sockets stay when we go.
    pub(crate) fn keep_paths(&mut self) {
        self.keep_paths = true;
    }

    pub(crate) fn keeps_paths(&self) -> bool {
        self.keep_paths
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Listener>> {
        self.sockets.iter()
    }

    /// How a person reaches them.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.sockets.iter().map(|listener| url(listener)).collect()
    }

    /// Whether visitors can come over HTTPS.
    pub(crate) fn any_https(&self) -> bool {
        self.sockets.iter().any(|listener| listener.is_https())
    }

    /// Whether HTTPS is for this machine alone.
    pub(crate) fn https_is_only_here(&self) -> bool {
        let mut secure = self.sockets.iter().filter(|listener| listener.is_https());
        secure.all(|listener| match listener.address() {
            Address::Tcp(address) => address.ip().is_loopback(),
            Address::Unix(_) => true,
        })
    }

    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.sockets
            .iter()
            .filter_map(|listener| match listener.address() {
                Address::Unix(path) => Some(path),
                Address::Tcp(_) => None,
            })
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        for path in self.paths().filter(|_| !self.keep_paths) {
            // It may be gone already; a stale one is found out at the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn url(listener: &Listener) -> String {
    match listener.address() {
        Address::Tcp(address) if listener.is_https() => format!("https://{}", reachable(*address)),
        Address::Tcp(address) => format!("http://{}", reachable(*address)),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// A browser cannot open `0.0.0.0`.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn failure(address: &Address, error: &io::Error, option: &str) -> Failure {
    let text = error.to_string();
    // Without Rust's `(os error 98)`.
    let plain = text.split(" (os error").next().unwrap_or(&text);
    let failure = Failure::new(format!("cannot listen on {address}: {plain}"));
    match (hint(address, error, option), error.kind()) {
        (Some(hint), _) => failure.hint(hint),
        (None, _) => failure,
    }
}

fn hint(address: &Address, error: &io::Error, option: &str) -> Option<String> {
    match (address, error.kind()) {
        (Address::Tcp(address), io::ErrorKind::AddrInUse) => {
            let port = address.port();
            Some(format!(
                "another program listens on port {port} (`ss -ltnp 'sport = :{port}'` says which); \
                 stop it, or choose another port with {option}"
            ))
        }
        (Address::Tcp(address), io::ErrorKind::PermissionDenied) => Some(format!(
            "ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another: {option} {}",
            SocketAddr::new(address.ip(), 8000)
        )),
        (Address::Tcp(_), io::ErrorKind::AddrNotAvailable) => {
            Some("this machine has no such address; `ip address` lists those it has".to_owned())
        }
        (Address::Unix(_), io::ErrorKind::AddrInUse) => {
            Some("another program listens there, or the file is no socket".to_owned())
        }
        (Address::Unix(path), io::ErrorKind::NotFound) => {
            let folder = path.parent().unwrap_or(path).display();
            Some(format!("there is no folder {folder}: make it first"))
        }
        (Address::Unix(_), io::ErrorKind::InvalidInput) => {
            Some("the path of a Unix socket has at most 107 bytes".to_owned())
        }
        _ => None,
    }
}
