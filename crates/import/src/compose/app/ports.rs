//! `ports` of the app: where it was reached, and whether by everybody.

use crate::Reading;
use crate::compose::tree::{Kind, Leaf};

pub(super) fn read(leaf: &Leaf, reading: &mut Reading<'_>) {
    for entry in leaf.list() {
        one(entry, reading);
    }
    if let Kind::Text(_) = leaf.kind {
        one(leaf, reading);
    }
}

fn one(leaf: &Leaf, reading: &mut Reading<'_>) {
    let Some(port) = published(leaf) else {
        return match is_container_only(leaf) {
            true => reading.ledger.mended(
                leaf.id,
                "published on a port of chance, to everybody: the app has no port any more",
            ),
            false => reading.ledger.open(
                leaf.id,
                "this port is not read",
                "say where Hotclub listens: [server] listen",
            ),
        };
    };
    let Port { host, number } = port;
    let is_local = matches!(host, "127.0.0.1" | "[::1]" | "::1" | "localhost");
    reading.stack.app_at.push(format!("localhost:{number}"));
    match is_local {
        true => {
            reading.stack.published.push(format!("127.0.0.1:{number}"));
            reading.ledger.taken(leaf.id, "not needed: the app has no port; Hotclub itself listens where [server] listen says");
        }
        false => {
            reading.stack.published.push(format!("127.0.0.1:{number}"));
            reading.ledger.mended(
                leaf.id,
                format!(
                    "port {number} was open to the world, around the firewall: the app has no port any more, and \
                     Hotclub alone listens, where [server] listen says"
                ),
            );
        }
    }
}

struct Port<'a> {
    host: &'a str,
    number: &'a str,
}

/// `8005:8000`, `127.0.0.1:8005:8000/tcp`, `[::1]:8005:8000`, or the long shape.
fn published(leaf: &Leaf) -> Option<Port<'_>> {
    if let Some(number) = leaf.text_of("published") {
        return is_port(number).then(|| Port {
            host: leaf.text_of("host_ip").unwrap_or("0.0.0.0"),
            number,
        });
    }
    let text = leaf.text()?;
    let text = text.split('/').next().unwrap_or(text);
    let (front, _container) = text.rsplit_once(':')?;
    let (host, number) = front.rsplit_once(':').unwrap_or(("0.0.0.0", front));
    is_port(number).then_some(Port { host, number })
}

fn is_container_only(leaf: &Leaf) -> bool {
    leaf.text().is_some_and(is_port) || leaf.get("target").is_some()
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}
