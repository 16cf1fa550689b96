//! A server that must be spoken to by TLS is only asked whether it offers it: PostgreSQL's SSLRequest
//! is answered by one byte, before any login. So no password goes out in clear, and no TLS library
//! and trust store is needed for a question that the app's own driver answers a moment later.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::cause::{Cause, of_io};
use super::{Place, Ready, Target};

/// Length 8 and the code 80877103 (PostgreSQL's protocol, "SSLRequest").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

pub(super) async fn probe(target: &Target) -> Result<Ready, Cause> {
    let Place::Tcp { host, port } = &target.place else {
        return Err(Cause::NoTls);
    };
    let answer = ask(host, *port).await.map_err(|error| of_io(&error))?;
    match answer {
        b'S' => Ok(Ready::BehindTls),
        b'N' => Err(Cause::NoTls),
        // A server that is not up yet answers with an error message.
        b'E' => Err(Cause::StartingUp),
        _ => Err(Cause::NotPostgres),
    }
}

/// A server of another protocol keeps the driver waiting for the rest of a message that never was one.
/// The one byte of this answer tells, in a second more than the deadline.
pub(super) async fn who_is_silent(target: &Target) -> Cause {
    let Place::Tcp { host, port } = &target.place else {
        return Cause::Silent;
    };
    match timeout(Duration::from_secs(1), ask(host, *port)).await {
        Ok(Ok(byte)) if !matches!(byte, b'S' | b'N' | b'E') => Cause::NotPostgres,
        _ => Cause::Silent,
    }
}

async fn ask(host: &str, port: u16) -> std::io::Result<u8> {
    let mut stream = TcpStream::connect((host, port)).await?;
    stream.write_all(&SSL_REQUEST).await?;
    stream.read_u8().await
}
