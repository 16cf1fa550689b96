//! Answers `GET /metrics` on a socket of its own, which no visitor reaches.
//!
//! One request a connection, a few at a time, each within a few seconds: whoever asks is a program on this
//! machine. A page in somebody's browser on this machine is none: it could only come by a name that its server
//! lets point here, so on TCP a `Host` that is a name other than `localhost` is refused.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

use crate::listen::{Address, Listener};

/// From the first byte to the last.
const PATIENCE: Duration = Duration::from_secs(10);
const AT_ONCE: usize = 8;
const HEAD_MAX: usize = 8 * 1024;
const FIELDS_MAX: usize = 64;
/// Waits when descriptors have run out.
const SHORTAGE: Duration = Duration::from_millis(100);

/// The text format of Prometheus, version 0.0.4.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers with what `metrics` gives, in Prometheus' text format, until it is dropped.
///
/// # Errors
/// When the socket cannot be registered with the runtime's poller.
pub async fn serve<M, T>(listener: Arc<Listener>, metrics: M) -> io::Result<()>
where
    M: Fn() -> T + Send + Sync + 'static,
    T: Future<Output = String> + Send,
{
    let metrics = Arc::new(metrics);
    let socket = Socket::of(&listener)?;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        // Never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return Ok(());
        };
        match socket.accept().await {
            Ok(stream) => {
                let metrics = Arc::clone(&metrics);
                let by_name = matches!(socket, Socket::Unix(_));
                tokio::spawn(async move {
                    // Who is too slow or goes away is not worth a word.
                    let _ =
                        tokio::time::timeout(PATIENCE, answer(stream, &*metrics, by_name)).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(SHORTAGE).await,
        }
    }
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Socket {
    fn of(listener: &Listener) -> io::Result<Self> {
        use std::os::fd::AsFd;
        let fd = listener.as_fd().try_clone_to_owned()?;
        Ok(match listener.address() {
            Address::Tcp(_) => Self::Tcp(TcpListener::from_std(fd.into())?),
            Address::Unix(_) => Self::Unix(UnixListener::from_std(fd.into())?),
        })
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

async fn answer<T: Future<Output = String>>(
    mut stream: Box<dyn Stream>,
    metrics: &impl Fn() -> T,
    by_name: bool,
) -> io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    while !ends(&head) {
        if head.len() > HEAD_MAX || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let asked = Asked::of(&head, by_name);
    let body = match asked.status {
        200 => metrics().await,
        status => format!("{status}: metrics are at GET /metrics\n"),
    };
    let media_type = if asked.status == 200 {
        MEDIA_TYPE
    } else {
        "text/plain; charset=utf-8"
    };
    let mut text = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n",
        asked.status,
        crate::respond::reason(asked.status),
        body.len()
    );
    if !asked.is_head {
        text.push_str(&body);
    }
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

fn ends(head: &[u8]) -> bool {
    memchr::memmem::find(head, b"\r\n\r\n").is_some()
}

/// What is asked for, as a status.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    status: u16,
    is_head: bool,
}

impl Asked {
    fn of(head: &[u8], by_name: bool) -> Self {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut fields);
        let parsed = request.parse(head).is_ok_and(|status| status.is_complete());
        let hosts = request.headers.iter();
        let mut hosts = hosts.filter(|field| field.name.eq_ignore_ascii_case("host"));
        let path = request.path.map(|target| target.split('?').next());
        let status = match (request.method, path.flatten()) {
            _ if !parsed => 400,
            _ if !by_name && !hosts.all(|field| is_local(field.value)) => 421,
            (_, Some(path)) if path != "/metrics" => 404,
            (Some("GET" | "HEAD"), _) => 200,
            _ => 405,
        };
        Self {
            status,
            is_head: request.method == Some("HEAD"),
        }
    }
}

/// Whether a `Host` is an address or `localhost`, which no stranger's DNS decides about.
fn is_local(host: &[u8]) -> bool {
    let Some(text) = std::str::from_utf8(host).ok() else {
        return false;
    };
    let name = match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => text,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> u16 {
        Asked::of(head.as_bytes(), false).status
    }

    #[test]
    fn metrics_are_at_one_address_and_only_read() {
        assert_eq!(
            status("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9113\r\n\r\n"),
            200
        );
        assert_eq!(
            status("HEAD /metrics?a=b HTTP/1.1\r\nHost: [::1]\r\n\r\n"),
            200
        );
        assert_eq!(status("GET /metrics HTTP/1.0\r\n\r\n"), 200);
        assert_eq!(
            status("POST /metrics HTTP/1.1\r\nHost: localhost:1\r\n\r\n"),
            405
        );
        for path in ["/", "/metrics/", "//metrics", "/admin"] {
            let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            assert_eq!(status(&head), 404, "{path}");
        }
        assert_eq!(status("what\r\n\r\n"), 400);
    }

    #[test]
    fn a_browser_that_was_sent_here_by_a_name_is_refused() {
        for host in [
            "evil.example",
            "evil.example:9113",
            "127.0.0.1.evil.example",
            "",
            "\u{e9}",
        ] {
            let head = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(status(&head), 421, "{host}");
            assert_eq!(
                Asked::of(head.as_bytes(), true).status,
                200,
                "on a Unix socket"
            );
        }
    }
}
