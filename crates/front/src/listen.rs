//! Listening sockets: TCP over IPv4 and IPv6, and Unix. Bound by whoever may, accepted by the threads.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SocketFlags;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::addresses::Guest;
use crate::request::{Ends, Scheme};
use crate::sys;
use crate::thread::Thread;

const BACKLOG: i32 = 4096;
/// Waits when descriptors or memory have run out: connections that end free some.
const SHORTAGE: Duration = Duration::from_millis(100);

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    address: Address,
    scheme: Scheme,
}

/// A connection that was accepted, not yet served.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) fd: OwnedFd,
    pub(crate) ends: Ends,
    /// Its place among its address's connections.
    pub(crate) guest: Guest,
}

impl Listener {
    /// Binds and listens. Port 0 takes a free port, which [`Listener::address`] then tells.
    /// An IPv6 wildcard takes IPv6 only, so that both wildcards can be bound.
    /// A Unix socket's path is freed when nobody answers on it.
    ///
    /// # Errors
    /// As the system gives them: `AddrInUse`, `PermissionDenied` …
    pub fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => bind_tcp(*address).and_then(Self::from_tcp),
            Address::Unix(path) => bind_unix(path).and_then(Self::from_unix),
        }
    }

    /// Takes a socket that somebody else bound.
    ///
    /// # Errors
    /// When it has no address.
    pub fn from_tcp(listener: TcpListener) -> io::Result<Self> {
        let address = Address::Tcp(listener.local_addr()?);
        listener.set_nonblocking(true)?;
        Ok(Self {
            fd: listener.into(),
            address,
            scheme: Scheme::Http,
        })
    }

    /// Takes a socket that somebody else bound.
    ///
    /// # Errors
    /// When it has no address.
    pub fn from_unix(listener: UnixListener) -> io::Result<Self> {
        let path = listener.local_addr()?.as_pathname().map(Path::to_path_buf);
        listener.set_nonblocking(true)?;
        Ok(Self {
            fd: listener.into(),
            address: Address::Unix(path.unwrap_or_default()),
            scheme: Scheme::Http,
        })
    }

    /// Takes a descriptor of either kind, as socket activation hands them over.
    ///
    /// # Errors
    /// When it is not a TCP or Unix socket.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let address = rustix::net::getsockname(&fd)?;
        if SocketAddr::try_from(address).is_ok() {
            Self::from_tcp(fd.into())
        } else {
            Self::from_unix(fd.into())
        }
    }

    /// Its connections begin with a TLS handshake.
    #[must_use]
    pub fn https(mut self) -> Self {
        self.scheme = Scheme::Https;
        self
    }

    /// Whether its connections begin with a TLS handshake.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// Where it really listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let kind = socket2::Type::STREAM.nonblocking().cloexec();
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_abandoned(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

/// A socket's file on which nobody listens any more.
fn is_abandoned(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    let is_socket = path
        .symlink_metadata()
        .is_ok_and(|meta| meta.file_type().is_socket());
    is_socket
        && std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// A listener as one thread's poller knows it.
pub(crate) type Watched = AsyncFd<OwnedFd>;

/// Registers a listener with the current thread's poller.
pub(crate) fn watch(listener: &Listener) -> io::Result<Watched> {
    sys::watch(listener.fd.try_clone()?, Interest::READABLE)
}

/// Accepts on one thread until it is aborted. All threads accept from the same socket; a connection
/// goes to the thread that has the fewest, for connections live long and a burst of them would
/// otherwise stay with the thread that woke first.
pub(crate) async fn accept(thread: Rc<Thread>, listener: Arc<Listener>, watched: Watched) {
    loop {
        while thread.shared.connections() >= thread.limits().connections {
            tokio::time::sleep(SHORTAGE).await;
        }
        let Ok(mut guard) = watched.readable().await else {
            return;
        };
        match accept_one(&listener, &thread) {
            Ok(Some(accepted)) => thread.shared.place(&thread, accepted),
            // Its address has too many already.
            Ok(None) => {}
            Err(Errno::AGAIN) => guard.clear_ready(),
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                tracing::warn!("no descriptor or memory is left for another connection");
                tokio::time::sleep(SHORTAGE).await;
            }
            // The connection was gone before it was accepted.
            Err(Errno::CONNABORTED | Errno::INTR | Errno::PERM | Errno::PROTO) => {}
            Err(error) => {
                tracing::warn!(%error, address = %listener.address, "cannot accept");
                tokio::time::sleep(SHORTAGE).await;
            }
        }
    }
}

/// `None`: a connection that was closed at once.
fn accept_one(listener: &Listener, thread: &Thread) -> Result<Option<Accepted>, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (fd, peer) = rustix::net::acceptfrom_with(&listener.fd, flags)?;
    let mut ends = Ends {
        peer: None,
        local: None,
        scheme: listener.scheme,
        server_name: None,
    };
    if matches!(listener.address, Address::Tcp(_)) {
        ends.peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    }
    let shared = &thread.shared;
    let Some(guest) = shared.addresses.admit(ends.peer_ip(), &shared.trusted) else {
        // Reset rather than closed: a flood leaves no TIME_WAIT behind.
        let _ = rustix::net::sockopt::set_socket_linger(&fd, Some(Duration::ZERO));
        return Ok(None);
    };
    if ends.peer.is_some() {
        ends.local = rustix::net::getsockname(&fd)
            .ok()
            .and_then(|local| SocketAddr::try_from(local).ok());
        // Answers are whole when they are written; waiting for more would only delay them.
        rustix::net::sockopt::set_tcp_nodelay(&fd, true)?;
    }
    Ok(Some(Accepted { fd, ends, guest }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_0_becomes_a_real_port() {
        let listener = Listener::bind(&Address::Tcp("127.0.0.1:0".parse().unwrap())).unwrap();
        let Address::Tcp(address) = listener.address() else {
            panic!("not TCP");
        };
        assert_ne!(address.port(), 0);
    }

    #[test]
    fn an_abandoned_unix_socket_is_replaced_and_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("s"));
        let first = Listener::bind(&address).unwrap();
        let error = Listener::bind(&address).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(Listener::bind(&address).is_ok());
        std::fs::write(folder.path().join("f"), "not a socket").unwrap();
        assert!(Listener::bind(&Address::Unix(folder.path().join("f"))).is_err());
        assert!(folder.path().join("f").exists());
    }

    #[test]
    fn a_descriptor_tells_what_it_is() {
        let bound = Listener::bind(&Address::Tcp("[::1]:0".parse().unwrap())).unwrap();
        let address = bound.address().clone();
        assert_eq!(Listener::from_fd(bound.fd).unwrap().address, address);
    }
}
