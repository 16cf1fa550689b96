//! The health check: asks each upstream for one path, again and again, over a connection of its own.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use tokio::io::AsyncWriteExt as _;

use super::Proxy;
use super::connect::Connection;
use super::health::Event;
use super::response_head;
use super::upstream::Upstream;

/// Starts a task for each upstream of a proxy that has a check, once for the proxy's life. They end when
/// no table has the proxy any more.
pub(crate) fn keep_checking(proxy: &Arc<Proxy>) {
    if proxy.config.health.is_none() || proxy.checked.swap(true, Relaxed) {
        return;
    }
    for at in 0..proxy.upstreams.len() {
        tokio::task::spawn_local(check_on(Arc::downgrade(proxy), at));
    }
}

async fn check_on(proxy: Weak<Proxy>, at: usize) {
    loop {
        let interval = {
            let Some(proxy) = proxy.upgrade() else { return };
            let (Some(health), Some(upstream)) = (&proxy.config.health, proxy.upstreams.get(at))
            else {
                return;
            };
            let event = match tokio::time::timeout(health.timeout, passes(health, upstream)).await {
                Ok(Ok(true)) => Event::CheckPassed,
                Ok(Ok(false) | Err(_)) | Err(_) => Event::CheckFailed,
            };
            upstream.note(event, proxy.policy());
            health.interval
        };
        tokio::time::sleep(interval).await;
    }
}

async fn passes(health: &hotclub_config::Health, upstream: &Upstream) -> io::Result<bool> {
    let mut connection = Connection::open(upstream).await?;
    let path = &health.path;
    let host = health.host.as_deref().unwrap_or(&upstream.authority);
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: hotclub-health-check\r\nConnection: close\r\n\r\n"
    );
    connection.stream.write_all(head.as_bytes()).await?;
    connection.stream.flush().await?;
    let mut scanned = 0;
    loop {
        match response_head::end(&connection.input, &mut scanned) {
            Ok(Some(end)) => {
                let head = response_head::parse(&connection.input[..end], false);
                return Ok(head.is_ok_and(|head| (200..400).contains(&head.status)));
            }
            Err(_) => return Ok(false),
            Ok(None) => {}
        }
        if connection.fill().await? == 0 {
            return Ok(false);
        }
    }
}
