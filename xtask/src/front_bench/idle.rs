//! Connections that asked once and stay: what they cost.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};

use anyhow::{Context as _, Result, ensure};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::{Resource, getrlimit, setrlimit};

use super::servers::Server;
use crate::descendants;

/// Connections from one address: fewer than any server's limit.
const PER_ADDRESS: u32 = 250;

/// Lets us, and servers that are started from here on, have as many descriptors as the system allows.
///
/// # Errors
/// When that is too few for so many connections.
pub(super) fn make_room(count: u32) -> Result<u64> {
    let wanted = u64::from(count) + 1000;
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(1 << 20);
    ensure!(
        most >= wanted,
        "{count} connections need {wanted} descriptors, and the system allows {most}\nhint: raise the hard limit (ulimit -Hn), or \
         --idle less"
    );
    limit.current = Some(most);
    setrlimit(Resource::Nofile, limit)?;
    Ok(most)
}

/// MiB (PSS) of the server's processes, before and with the connections.
pub(super) fn memory(server: &Server, count: u32) -> Result<(f64, f64)> {
    let before = pss(server)?;
    let mut open = Vec::with_capacity(count as usize);
    for number in 0..count {
        let [_, _, high, low] = (number / PER_ADDRESS + 2).to_be_bytes();
        let stream = opened(Ipv4Addr::new(127, 1, high, low), server)
            .with_context(|| format!("{}: connection {number}", server.name))?;
        open.push(stream);
    }
    let with = pss(server)?;
    eprintln!(
        "  {:<9} {count} idle connections: {before:.1} → {with:.1} MiB",
        server.name
    );
    Ok((before, with))
}

/// A connection from this address that had one small answer.
fn opened(from: Ipv4Addr, server: &Server) -> Result<TcpStream> {
    let fd = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&fd, &SocketAddrV4::new(from, 0))?;
    connect(&fd, &server.http)?;
    let mut stream = TcpStream::from(fd);
    stream.write_all(b"HEAD /4k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece)?;
        ensure!(count > 0, "it was closed");
        answer.extend_from_slice(&piece[..count]);
    }
    ensure!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    Ok(stream)
}

fn pss(server: &Server) -> Result<f64> {
    let mut sum = 0.0;
    for process in descendants::tree(server.pid()) {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
        sum += kib.context("the kernel says no PSS")? / 1024.0;
    }
    Ok(sum)
}
