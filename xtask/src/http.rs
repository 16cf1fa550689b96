//! The smallest HTTP client: one GET to a server on this machine, the whole answer in memory.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// Without the port, as on a public site: NGINX's `$host` drops it, and pages hold absolute addresses.
pub(crate) const HOST: &str = "127.0.0.1";
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body_bytes: usize,
}

/// A port that was free a moment ago: for servers that cannot report the one they chose.
pub(crate) fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// HTTP/1.0, so that the answer ends with the connection and is never chunked.
pub(crate) fn get(server: SocketAddr, path: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {HOST}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).context("the server's answer is not HTTP")
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let head_end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..head_end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer {
        status,
        body_bytes: answer.len() - head_end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_length_are_read() {
        let answer = parse(b"HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nhello").unwrap();
        assert_eq!(
            answer,
            Answer {
                status: 404,
                body_bytes: 5
            }
        );
    }

    #[test]
    fn an_answer_cut_short_is_none() {
        assert_eq!(parse(b"HTTP/1.0 200 OK\r\nServer"), None);
    }
}
