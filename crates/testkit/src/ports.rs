//! Ports for programs that have to be told theirs before they start.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::ops::Range;

use rustix::fs::FlockOperation;

/// Below those that Linux takes for port 0 and for outgoing connections (ip(7), `ip_local_port_range`), so that nobody
/// comes into the possession of one by chance.
const PORTS: Range<u16> = 20_000..32_000;

/// A TCP and UDP port of 127.0.0.1 that nobody has, and no other test is given while this process lives.
pub fn unused_port() -> u16 {
    let user = rustix::process::geteuid().as_raw();
    let folder = std::env::temp_dir().join(format!("hotclub-test-ports-{user}"));
    std::fs::create_dir_all(&folder).expect("a folder for locks");
    let start = std::process::id() as usize * 16 % PORTS.len();
    let mut all = PORTS.cycle().skip(start).take(PORTS.len());
    let mut reserve = |port: u16| {
        let lock = File::create(folder.join(port.to_string())).expect("a file for a lock");
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
        TcpListener::bind(("127.0.0.1", port)).ok()?;
        UdpSocket::bind(("127.0.0.1", port)).ok()?;
        // The lock ends with the process.
        std::mem::forget(lock);
        Some(port)
    };
    all.find_map(&mut reserve).expect("a port is unused")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let mut ports: Vec<u16> = (0..20).map(|_| unused_port()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 20);
    }
}
