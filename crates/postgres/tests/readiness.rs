//! Each verdict of readiness by a server that gives it: small fakes here, the real PostgreSQL in `cluster.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use hotclub_postgres::{Cause, Ready, Target, wait_ready, wait_ready_watched};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Long enough for one look at a server on this machine.
const LOOK: Duration = Duration::from_secs(1);

fn target(port: u16, rest: &str) -> Target {
    Target::from_url(&format!("postgres://me:secret@127.0.0.1:{port}/site{rest}"))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Answers every connection with the same bytes, once it has been asked something; returns its port.
async fn fake(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let port = listener.local_addr().map_or(0, |address| address.port());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0u8; 1024];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(&answer).await;
            // Until the other side closes: an early reset would hide the answer.
            while stream.read(&mut asked).await.is_ok_and(|count| count > 0) {}
        }
    });
    port
}

/// PostgreSQL's ErrorResponse.
fn error_message(code: &str, text: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (field, value) in [('S', "FATAL"), ('V', "FATAL"), ('C', code), ('M', text)] {
        body.push(field as u8);
        body.extend(value.as_bytes());
        body.push(0);
    }
    body.push(0);
    let mut message = vec![b'E'];
    message.extend((body.len() as u32 + 4).to_be_bytes());
    message.extend(body);
    message
}

#[tokio::test]
async fn every_refusal_has_a_name_of_its_own() {
    let mut asked = tokio::task::JoinSet::new();
    for (code, text, cause) in [
        (
            "57P03",
            "the database system is starting up",
            Cause::StartingUp,
        ),
        (
            "57P03",
            "the database system is not yet accepting connections",
            Cause::StartingUp,
        ),
        (
            "57P03",
            "the database system is shutting down",
            Cause::ShuttingDown,
        ),
        (
            "53300",
            "sorry, too many clients already",
            Cause::TooManyConnections,
        ),
        (
            "28P01",
            "password authentication failed for user \"me\"",
            Cause::WrongPassword,
        ),
        (
            "3D000",
            "database \"site\" does not exist",
            Cause::DatabaseMissing,
        ),
        ("28000", "role \"me\" does not exist", Cause::RoleMissing),
        ("28000", "no entry", Cause::Forbidden("no entry".to_owned())),
        (
            "XX000",
            "strange",
            Cause::Other("strange (XX000)".to_owned()),
        ),
    ] {
        asked.spawn(async move {
            let port = fake(error_message(code, text)).await;
            let error = wait_ready(&target(port, ""), LOOK).await.unwrap_err();
            assert_eq!(error.cause, cause);
            assert!(
                error
                    .to_string()
                    .contains(&format!("127.0.0.1:{port} (user me, database site)"))
            );
            assert!(!error.hint().is_empty() && !error.to_string().contains("secret"));
        });
    }
    asked.join_all().await;
}

#[tokio::test]
async fn where_nothing_or_something_else_is_that_is_said() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let short = LOOK;
    let cause = |error: hotclub_postgres::NotReady| error.cause;
    assert_eq!(
        wait_ready(&target(port, ""), short).await.map_err(cause),
        Err(Cause::NothingListens)
    );

    let dir = tempfile::tempdir().unwrap();
    let socket =
        Target::from_url(&format!("postgres:///site?host={}", dir.path().display())).unwrap();
    assert_eq!(
        wait_ready(&socket, short).await.map_err(cause),
        Err(Cause::NoSocket)
    );

    let http = fake(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    assert_eq!(
        wait_ready(&target(http, ""), LOOK).await.map_err(cause),
        Err(Cause::NotPostgres)
    );

    let silent = fake(Vec::new()).await;
    assert_eq!(
        wait_ready(&target(silent, ""), short).await.map_err(cause),
        Err(Cause::Silent)
    );

    let unknown = Target::from_url("postgres://me:x@no-such-host.invalid/site").unwrap();
    let error = wait_ready(&unknown, Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!(error.cause, Cause::HostUnknown, "{error}");
}

#[tokio::test]
async fn a_server_that_insists_on_tls_counts_as_there() {
    let strict = error_message(
        "28000",
        "no pg_hba.conf entry for host \"::1\", user \"me\", database \"d\", no encryption",
    );
    let port = fake(strict).await;
    assert_eq!(
        wait_ready(&target(port, ""), LOOK).await.unwrap(),
        Ready::BehindTls
    );
    let port = fake(b"S".to_vec()).await;
    assert_eq!(
        wait_ready(&target(port, "?sslmode=require"), LOOK)
            .await
            .unwrap(),
        Ready::BehindTls
    );
    let port = fake(b"N".to_vec()).await;
    let error = wait_ready(&target(port, "?sslmode=verify-full"), LOOK)
        .await
        .unwrap_err();
    assert_eq!(error.cause, Cause::NoTls);
}

#[tokio::test]
async fn waiting_goes_on_while_it_may_help_and_stops_when_it_cannot() {
    let starting = fake(error_message("57P03", "the database system is starting up")).await;
    let (start, mut seen) = (Instant::now(), 0);
    let watch = |cause: &Cause| {
        assert_eq!(*cause, Cause::StartingUp);
        seen += 1;
    };
    wait_ready_watched(&target(starting, ""), Duration::from_millis(700), watch)
        .await
        .unwrap_err();
    assert!(
        seen >= 3 && start.elapsed() < Duration::from_millis(900),
        "{seen} in {:?}",
        start.elapsed()
    );

    let refusing = fake(error_message("28P01", "password authentication failed")).await;
    let start = Instant::now();
    wait_ready(&target(refusing, ""), Duration::from_secs(60))
        .await
        .unwrap_err();
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
}
