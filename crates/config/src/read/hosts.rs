//! `hosts`, `canonical` and `www`: which hosts are this site's, and which only lead to it.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::reader::{Reader, Section};
use crate::hosts;
use crate::value::{self, Wrong};

/// The outcome of the three keys.
pub(super) struct Hosts {
    pub(super) written: Vec<String>,
    /// Those that are served.
    pub(super) served: Vec<String>,
    /// Those whose visitors are sent to another.
    pub(super) moved: BTreeMap<String, String>,
}

pub(super) fn read(reader: &mut Reader, top: &mut Section<'_>) -> Hosts {
    let named = reader
        .list(top, "hosts", "[\"example.com\"]", host)
        .unwrap_or_default();
    let canonical = reader.get(top, "canonical", host);
    let www = reader.get(top, "www", |v| value::word(v, &[("redirect", ())]));
    twice(reader, &named);
    let mut moved = BTreeMap::new();
    if let Some(canonical) = canonical {
        if named.contains(&canonical) && !canonical.starts_with("*.") {
            let others = named.iter().filter(|host| **host != canonical);
            moved.extend(others.map(|host| (host.clone(), canonical.clone())));
        } else {
            let hint = "name one of `hosts` that has no `*`: the others lead there".to_owned();
            let message = format!("`canonical` is {canonical}, which is not in `hosts`");
            reader.fault("canonical", message, Some(hint));
        }
    }
    if www.is_some() {
        other_halves(reader, &named, &mut moved);
    }
    let served = named.iter().filter(|host| !moved.contains_key(*host));
    Hosts {
        served: served.cloned().collect(),
        moved,
        written: named,
    }
}

/// `www.` of each host that has none, and the other way round.
fn other_halves(reader: &mut Reader, named: &[String], moved: &mut BTreeMap<String, String>) {
    let mut found = false;
    for host in named.iter().filter(|host| hosts::is_public_name(host)) {
        let other = match host.strip_prefix("www.") {
            Some(apex) => apex.to_owned(),
            None => format!("www.{host}"),
        };
        if named.contains(&other) && !moved.contains_key(host) && !moved.contains_key(&other) {
            let message =
                format!("`www` is to redirect, but {host} and {other} are both in `hosts`");
            let hint =
                "keep the one that visitors should see, or name it in `canonical`".to_owned();
            reader.fault("www", message, Some(hint));
            return;
        }
        found = true;
        let to = moved.get(host).unwrap_or(host).clone();
        if other != to {
            moved.insert(other, to);
        }
    }
    if !found {
        let hint = "write hosts = [\"example.com\"], or remove `www`".to_owned();
        let message = "`www` is to redirect, but `hosts` has no name that it could redirect to";
        reader.fault("www", message.to_owned(), Some(hint));
    }
}

fn twice(reader: &mut Reader, named: &[String]) {
    for (at, host) in named.iter().enumerate() {
        if let Some(first) = named[..at].iter().position(|earlier| earlier == host) {
            let keys = (format!("hosts.{first}"), format!("hosts.{at}"));
            let message = format!("the host `{host}` is named twice");
            reader.collision((&keys.0, &keys.1), message, "remove one of them".to_owned());
        }
    }
}

fn host(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = value::text(value, "[\"example.com\"]")?;
    hosts::parse(&text).map_err(|problem| {
        Wrong::value("a host name", problem).example("[\"example.com\", \"*.example.com\"]")
    })
}
