//! `[[proxy]]` and `[proxy.health]`: what other servers answer.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;

use super::app::path;
use super::edge::Mounts;
use super::reader::{Reader, Section};
use crate::defaults;
use crate::model::{Listen, Site};
use crate::proxy::{Balance, Health, Proxy, Upstream};
use crate::value::{self, Wrong};

const EXAMPLE: &str = "\"http://127.0.0.1:3000\"";

pub(super) fn proxies(
    reader: &mut Reader,
    top: &mut Section<'_>,
    mounts: &mut Mounts,
) -> Vec<Proxy> {
    let mut all = Vec::new();
    for mut section in reader.tables(top, "proxy") {
        let url = mounts.read(reader, &mut section, "\"/grafana/\"");
        let dir = reader.dir().to_path_buf();
        let to = reader.require(&mut section, "to", |v| upstreams(v, &dir), EXAMPLE);
        let rest = options(reader, &mut section);
        if let Some(to) = &to {
            tls_alone(reader, &section, to);
        }
        reader.end(section);
        if let (Some(url), Some(to)) = (url, to) {
            all.push(Proxy { url, to, ..rest });
        }
    }
    all
}

/// Everything but `url` and `to`.
fn options(reader: &mut Reader, section: &mut Section<'_>) -> Proxy {
    const BALANCES: [(&str, Balance); 2] = [
        ("least_conn", Balance::LeastConnections),
        ("round_robin", Balance::RoundRobin),
    ];
    let default = Proxy::new(crate::Mount::root(), Vec::new());
    let mut time = |key, default| {
        let read: Option<Duration> = reader.get(section, key, value::positive_duration);
        read.unwrap_or(default)
    };
    let connect_timeout = time("connect_timeout", default.connect_timeout);
    let send_timeout = time("send_timeout", default.send_timeout);
    let response_timeout = time("response_timeout", default.response_timeout);
    let idle_timeout = time("idle_timeout", default.idle_timeout);
    let tunnel_timeout = time("tunnel_timeout", default.tunnel_timeout);
    let fail_pause = time("fail_pause", default.fail_pause);
    Proxy {
        balance: reader
            .get(section, "balance", |v| value::word(v, &BALANCES))
            .unwrap_or(default.balance),
        strip_prefix: reader
            .get(section, "strip_prefix", value::boolean)
            .unwrap_or(default.strip_prefix),
        host: reader.get(section, "host", authority),
        buffer_requests: reader
            .get(section, "buffer_requests", value::boolean)
            .unwrap_or(default.buffer_requests),
        connect_timeout,
        send_timeout,
        response_timeout,
        idle_timeout,
        tunnel_timeout,
        retries: reader
            .get(section, "retries", |v| value::whole(v, 0, 1))
            .unwrap_or(default.retries),
        max_fails: reader
            .get(section, "max_fails", |v| value::whole(v, 0, 1000))
            .unwrap_or(default.max_fails),
        fail_pause,
        health: health(reader, section),
        cache: reader
            .get(section, "cache", value::boolean)
            .unwrap_or(default.cache),
        ca: path(reader, section, "ca", "\"ca.pem\""),
        tls_name: reader.get(section, "tls_name", name),
        ..default
    }
}

/// What is said about certificates must be about some.
fn tls_alone(reader: &mut Reader, section: &Section<'_>, to: &[Upstream]) {
    if to.iter().any(|to| matches!(to, Upstream::Https { .. })) {
        return;
    }
    for key in ["ca", "tls_name"] {
        let full = section.key(key);
        if reader.has(&full) {
            let message =
                format!("`{key}` is about certificates, and no address of `to` is https://");
            let hint = format!("write https:// in `to`, or remove {key}");
            reader.fault(&full, message, Some(hint));
        }
    }
}

fn health(reader: &mut Reader, section: &mut Section<'_>) -> Option<Health> {
    let mut table = reader.table(section, "health");
    let path = reader.require(&mut table, "path", health_path, "\"/up\"");
    let interval = reader.get(&mut table, "interval", value::positive_duration);
    let timeout = reader.get(&mut table, "timeout", value::positive_duration);
    let host = reader.get(&mut table, "host", authority);
    reader.end(table);
    Some(Health {
        path: path?,
        interval: interval.unwrap_or(defaults::PROXY_HEALTH_INTERVAL),
        timeout: timeout.unwrap_or(defaults::PROXY_HEALTH_TIMEOUT),
        host,
    })
}

/// An upstream that is this site itself would answer with itself.
pub(super) fn no_circle(reader: &mut Reader, site: &Site) {
    for (at, proxy) in site.proxies.iter().enumerate() {
        let listen = &site.server.listen;
        let own = |to: &&Upstream| listen.iter().any(|listen| is_own(listen, to));
        if let Some(to) = proxy.to.iter().find(own) {
            let message = format!("`{to}` is where this site itself listens");
            let hint = "write the address of the server behind it".to_owned();
            reader.fault(&format!("proxy.{at}.to"), message, Some(hint));
        }
    }
}

/// As far as the text shows: names are not looked up, and a port that is taken free is not known yet.
fn is_own(listen: &Listen, to: &Upstream) -> bool {
    match (listen, to) {
        (Listen::Unix(own), Upstream::Unix(path)) => own == path,
        (
            Listen::Tcp(own) | Listen::Https(own),
            Upstream::Http { host, port } | Upstream::Https { host, port },
        ) => {
            let ip = own.ip();
            let is_here = match host.parse::<IpAddr>() {
                Ok(host) => host == ip || (ip.is_unspecified() && host.is_loopback()),
                Err(_) => host == "localhost" && (ip.is_loopback() || ip.is_unspecified()),
            };
            own.port() == *port && is_here
        }
        _ => false,
    }
}

/// One upstream, or a list of them.
fn upstreams(value: &DeValue<'_>, dir: &Path) -> Result<Vec<Upstream>, Wrong> {
    let DeValue::Array(entries) = value else {
        return Ok(vec![upstream(value, dir)?]);
    };
    if entries.is_empty() {
        return Err(Wrong::value("at least one address", "this list is empty").example(EXAMPLE));
    }
    let mut all = Vec::with_capacity(entries.len());
    for entry in entries.iter() {
        let upstream = upstream(entry.get_ref(), dir)?;
        if all.contains(&upstream) {
            let found = format!("`{upstream}` is in it twice");
            return Err(Wrong::value("a list of different addresses", found));
        }
        all.push(upstream);
    }
    Ok(all)
}

fn upstream(value: &DeValue<'_>, dir: &Path) -> Result<Upstream, Wrong> {
    const EXPECTED: &str = "an http://, https:// or unix: address";
    let text = value::text(value, EXAMPLE)?;
    match text.parse::<Upstream>() {
        Ok(Upstream::Unix(path)) => Ok(Upstream::Unix(dir.join(path))),
        Ok(upstream) => Ok(upstream),
        Err(error) => {
            let example = error.suggestion.map(|meant| value::quoted(&meant));
            let wrong = Wrong::value(EXPECTED, error.reason)
                .example(example.unwrap_or_else(|| EXAMPLE.to_owned()));
            Err(match error.reason.starts_with("a path") {
                true => wrong.hint("strip_prefix = true takes `url` off the path"),
                false => wrong,
            })
        }
    }
}

/// A host, with or without a port, as it stands in a Host field.
fn authority(value: &DeValue<'_>) -> Result<String, Wrong> {
    const EXAMPLE: &str = "\"backend.example\"";
    let text = value::text(value, EXAMPLE)?;
    match format!("http://{text}").parse::<Upstream>() {
        Ok(_) => Ok(text),
        Err(_) => Err(Wrong::value("a host name", "this is none").example(EXAMPLE)),
    }
}

/// A host without a port.
fn name(value: &DeValue<'_>) -> Result<String, Wrong> {
    const EXAMPLE: &str = "\"backend.example\"";
    let text = value::text(value, EXAMPLE)?;
    match format!("https://{text}").parse::<Upstream>() {
        Ok(Upstream::Https { host, port: 443 }) if !text.contains(':') => Ok(host),
        _ => Err(Wrong::value("a host name without a port", "this is none").example(EXAMPLE)),
    }
}

fn health_path(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = value::text(value, "\"/up\"")?;
    let is_path = text.starts_with('/')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#');
    match is_path {
        true => Ok(text),
        false => {
            Err(Wrong::value("a path that begins with `/`", "this is none").example("\"/up\""))
        }
    }
}
