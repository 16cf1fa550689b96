//! `[[files]]`, `[limits]`, `[log]` and `[server]`: what a visitor meets.

use std::net::SocketAddr;

use ipnet::IpNet;
use toml::de::DeValue;

use super::app::path;
use super::reader::{Reader, Section};
use super::web;
use crate::defaults;
use crate::listen::{Local, LocalError};
use crate::model::{AccessLog, Files, Limits, Listen, Log, LogFormat, Server};
use crate::mount::Mount;
use crate::value::{self, Wrong};

pub(super) fn files(reader: &mut Reader, top: &mut Section<'_>, mounts: &mut Mounts) -> Vec<Files> {
    let mut all = Vec::new();
    for mut section in reader.tables(top, "files") {
        let url = mounts.read(reader, &mut section, "\"/media/\"");
        let example = "\"media\"";
        let folder = reader.require(&mut section, "path", |v| value::text(v, example), example);
        let internal = reader
            .get(&mut section, "internal", value::boolean)
            .unwrap_or(false);
        let max_age = reader.get(&mut section, "max_age", value::duration);
        let cache = reader.get(&mut section, "cache", web::cache_control);
        let index = reader
            .get(&mut section, "index", value::boolean)
            .unwrap_or(false);
        if max_age.is_some() && cache.is_some() {
            let keys = (section.key("max_age"), section.key("cache"));
            let message = "`max_age` and `cache` both say how long the files are kept";
            let hint = "remove one of them: `cache` is all of Cache-Control";
            reader.collision((&keys.0, &keys.1), message.to_owned(), hint.to_owned());
        }
        if internal && index {
            let hint = "remove one of them".to_owned();
            let message = "nobody may list a folder that is internal".to_owned();
            reader.fault(&section.key("index"), message, Some(hint));
        }
        reader.end(section);
        if let (Some(url), Some(folder)) = (url, folder) {
            all.push(Files {
                url,
                path: reader.dir().join(folder),
                internal,
                max_age,
                cache,
                index,
            });
        }
    }
    all
}

pub(super) fn mount(value: &DeValue<'_>) -> Result<Mount, Wrong> {
    const EXPECTED: &str = "a path that begins and ends with `/`";
    let text = value
        .as_str()
        .ok_or_else(|| Wrong::kind(value, EXPECTED, "\"/media/\""))?;
    Mount::parse(text).map_err(|error| {
        let wrong = Wrong::value(EXPECTED, error.reason);
        match error.suggestion {
            Some(suggestion) => wrong.example(value::quoted(&suggestion)),
            None => wrong.example("\"/media/\""),
        }
    })
}

/// The mounts read so far, with the keys where they stand: one URL can have only one meaning. A mount
/// below another is fine: the longer one wins.
#[derive(Default)]
pub(super) struct Mounts(Vec<(String, Mount)>);

impl Mounts {
    pub(super) fn add(&mut self, reader: &mut Reader, key: String, url: &Mount) {
        if let Some((earlier, _)) = self.0.iter().find(|(_, other)| other == url) {
            let message = format!("`{url}` is mounted twice");
            let hint = "give one of them another url, or remove it".to_owned();
            reader.collision((earlier, &key), message, hint);
        }
        self.0.push((key, url.clone()));
    }

    pub(super) fn read(
        &mut self,
        reader: &mut Reader,
        section: &mut Section<'_>,
        example: &str,
    ) -> Option<Mount> {
        let url = reader.require(section, "url", mount, example)?;
        self.add(reader, section.key("url"), &url);
        Some(url)
    }
}

pub(super) fn limits(reader: &mut Reader, top: &mut Section<'_>) -> Limits {
    let mut table = reader.table(top, "limits");
    let section = &mut table;
    let default = Limits::default();
    let limits = Limits {
        max_body: reader
            .get(section, "max_body", value::positive_size)
            .unwrap_or(default.max_body),
        max_header: reader
            .get(section, "max_header", header_size)
            .unwrap_or(default.max_header),
        max_headers: reader
            .get(section, "max_headers", |v| value::whole(v, 10, 10_000))
            .unwrap_or(default.max_headers),
        header_timeout: reader
            .get(section, "header_timeout", value::positive_duration)
            .unwrap_or(default.header_timeout),
        idle_timeout: reader
            .get(section, "idle_timeout", value::positive_duration)
            .unwrap_or(default.idle_timeout),
        min_rate: reader
            .get(section, "min_rate", value::size)
            .unwrap_or(default.min_rate),
        max_connections: reader
            .get(section, "max_connections", |v| value::whole(v, 1, u32::MAX))
            .unwrap_or(default.max_connections),
        max_connections_per_address: reader
            .get(section, "max_connections_per_address", |v| {
                value::whole(v, 0, u32::MAX)
            })
            .unwrap_or(default.max_connections_per_address),
        max_streams: reader
            .get(section, "max_streams", |v| value::whole(v, 1, 10_000))
            .unwrap_or(default.max_streams),
        max_buffered_per_connection: reader
            .get(section, "max_buffered_per_connection", value::size)
            .unwrap_or(default.max_buffered_per_connection),
        max_buffered: reader
            .get(section, "max_buffered", value::size)
            .unwrap_or(default.max_buffered),
        max_spooled: reader
            .get(section, "max_spooled", value::size)
            .unwrap_or(default.max_spooled),
    };
    reader.end(table);
    limits
}

/// The front reads a head into memory, and the queue's messages have an end: 1 KiB to 1 MiB.
fn header_size(value: &DeValue<'_>) -> Result<u64, Wrong> {
    match value::size(value)? {
        bytes @ 1024..=1_048_576 => Ok(bytes),
        _ => Err(
            Wrong::value("a size from 1KiB to 1MiB", "this is out of range").example("\"32KiB\""),
        ),
    }
}

pub(super) fn log(reader: &mut Reader, top: &mut Section<'_>) -> Log {
    const FORMATS: [(&str, LogFormat); 2] =
        [("combined", LogFormat::Combined), ("json", LogFormat::Json)];
    let mut section = reader.table(top, "log");
    let access = match path(reader, &mut section, "access", "\"stdout\"") {
        None => AccessLog::Stdout,
        Some(path) if path == reader.dir().join("stdout") || path == reader.dir().join("-") => {
            AccessLog::Stdout
        }
        Some(path) if path == reader.dir().join("off") => AccessLog::Off,
        Some(path) => AccessLog::File(path),
    };
    let format = reader.get(&mut section, "format", |v| value::word(v, &FORMATS));
    let rotate = reader.get(&mut section, "rotate", value::positive_size);
    let keep = reader.get(&mut section, "keep", |v| value::whole(v, 1, 1000));
    if (rotate.is_some() || keep.is_some()) && !matches!(access, AccessLog::File(_)) {
        let key = if rotate.is_some() {
            "log.rotate"
        } else {
            "log.keep"
        };
        let message = "there is no file to put aside: the access log goes elsewhere".to_owned();
        let hint = "name a file: access = \"access.log\", or remove this".to_owned();
        reader.fault(key, message, Some(hint));
    }
    reader.end(section);
    Log {
        access,
        format: format.unwrap_or(LogFormat::Combined),
        rotate,
        keep: keep.unwrap_or(defaults::LOGS_KEPT),
    }
}

/// `default`: where to listen when nothing is written.
pub(super) fn server(reader: &mut Reader, top: &mut Section<'_>, default: &[SocketAddr]) -> Server {
    let mut section = reader.table(top, "server");
    let default = || default.iter().copied().map(Listen::Tcp).collect();
    let dir = reader.dir().to_path_buf();
    let listen = reader.list(&mut section, "listen", "[\"127.0.0.1:8000\"]", listen);
    let listen = listen.map(|all| all.into_iter().map(|listen| joined(&dir, listen)).collect());
    if listen.as_ref().is_some_and(Vec::is_empty) {
        let hint = Some("write listen = [\"127.0.0.1:8000\"], or remove the key".to_owned());
        reader.fault(
            "server.listen",
            "`server.listen` names no address".to_owned(),
            hint,
        );
    }
    let metrics = reader.get(&mut section, "metrics", local);
    let trusted = reader.list(&mut section, "trusted_proxies", "[\"127.0.0.1\"]", network);
    let h2c = reader.get(&mut section, "h2c", value::boolean);
    let proxied = reader.get(&mut section, "proxy_protocol", value::boolean);
    if proxied == Some(true) && trusted.as_ref().is_none_or(Vec::is_empty) {
        let hint = "name the proxy: trusted_proxies = [\"10.0.0.5\"]".to_owned();
        let message = "`server.proxy_protocol` without a trusted proxy would serve nobody";
        reader.fault("server.proxy_protocol", message.to_owned(), Some(hint));
    }
    reader.end(section);
    Server {
        listen: listen.unwrap_or_else(default),
        metrics: metrics.map(|metrics| metrics.below(&dir)),
        trusted_proxies: trusted.unwrap_or_default(),
        h2c: h2c.unwrap_or(defaults::H2C),
        proxy_protocol: proxied.unwrap_or(defaults::PROXY_PROTOCOL),
    }
}

fn joined(dir: &std::path::Path, listen: Listen) -> Listen {
    match listen {
        Listen::Unix(path) => Listen::Unix(dir.join(path)),
        tcp => tcp,
    }
}

fn local(value: &DeValue<'_>) -> Result<Local, Wrong> {
    const EXAMPLE: &str = "\"127.0.0.1:9113\"";
    let text = value::text(value, EXAMPLE)?;
    text.parse::<Local>().map_err(|error| {
        let found = match error {
            LocalError::Listen(_) => "this is no address",
            LocalError::Public(_) => "other machines reach this one",
            LocalError::Tls(_) => "this would be TLS",
        };
        let wrong = Wrong::value("a loopback address or a Unix socket", found).example(EXAMPLE);
        wrong.hint("docs/operating.md says how another machine can read the metrics")
    })
}

fn listen(value: &DeValue<'_>) -> Result<Listen, Wrong> {
    const EXAMPLE: &str = "[\"127.0.0.1:8000\"]";
    let text = value::text(value, EXAMPLE)?;
    text.parse::<Listen>().map_err(|_| {
        let wrong = Wrong::value("an address to listen on", "this is none").example(EXAMPLE);
        wrong.hint("an address and a port, `[::]:8000`, `https://0.0.0.0:443`, or `unix:/path`")
    })
}

pub(super) fn network(value: &DeValue<'_>) -> Result<IpNet, Wrong> {
    const EXAMPLE: &str = "[\"127.0.0.1\", \"10.0.0.0/8\"]";
    let text = value::text(value, EXAMPLE)?;
    let address = text.parse::<std::net::IpAddr>().map(IpNet::from);
    let wrong = Wrong::value("an address or a network", "this is none").example(EXAMPLE);
    let network = address
        .or_else(|_| text.parse::<IpNet>())
        .map_err(|_| match text.as_str() {
            "*" => wrong.hint(
                "to believe everyone is never right: name the proxy that stands before Hotclub",
            ),
            _ => wrong,
        })?;
    Ok(network.trunc())
}
