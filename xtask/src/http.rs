//! The smallest HTTP client: one GET to a server on this machine, the whole answer in memory. Over TLS
//! it is curl that asks.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::command;

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
pub(crate) fn get_with(
    server: SocketAddr,
    path: &str,
    headers: &[(&'static str, String)],
) -> Result<Answer> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = format!("GET {path} HTTP/1.0\r\nHost: {HOST}\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all((request + "\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    parse(&answer).context("the server's answer is not HTTP")
}

/// Believes any certificate.
pub(crate) fn get_tls(url: &str, headers: &[(&'static str, String)]) -> Result<Answer> {
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--show-error",
        "--insecure",
        "--output",
        "/dev/null",
    ]);
    curl.args(["--write-out", "%{http_code} %{size_download}", url]);
    for (name, value) in headers {
        curl.arg("--header").arg(format!("{name}: {value}"));
    }
    let text = command::quiet(&mut curl, PATIENCE)?;
    let (status, size) = text.trim().split_once(' ').context("curl says nothing")?;
    Ok(Answer {
        status: status.parse()?,
        body_bytes: size.parse()?,
    })
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
