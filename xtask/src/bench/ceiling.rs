//! What the load generators can do by themselves, against a server that does nothing: a stack that comes near
//! has measured them, not itself.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Result;

use super::closed::Closed;
use super::open::{Open, quantile};
use super::server::Server;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nHello, world!\n";
const TIME: Duration = Duration::from_secs(2);
/// Requests a second that the open loop is asked for.
const RATE: f64 = 2000.0;

/// A line each, for the facts of a run.
pub(super) fn measure() -> Result<[String; 2]> {
    let address = nothing()?;
    let paths = ["/".to_owned()];
    let wrk = Closed::gets(&paths, 64).run(&Server::new(address, false), TIME)?;
    let open = Open {
        path: "/",
        rate: RATE,
        length: TIME,
        patience: Duration::from_secs(5),
    };
    let timings = open.run(address)?;
    Ok([
        format!(
            "{:.0} requests/s at 64 connections from a server that does nothing",
            wrk.requests_per_second
        ),
        format!(
            "at {RATE:.0} requests/s, half are sent within {:.2} ms of when they are due, 99 % within {:.2} ms",
            quantile(&timings.late, 0.5),
            quantile(&timings.late, 0.99)
        ),
    ])
}

/// Its threads end with the process.
fn nothing() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream) {
    let mut request = [0; 4096];
    while stream.read(&mut request).is_ok_and(|count| count > 0) {
        if stream.write_all(ANSWER).is_err() {
            return;
        }
    }
}
