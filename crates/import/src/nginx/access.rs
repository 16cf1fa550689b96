//! `allow`, `deny`, `auth_basic`, `limit_req`: who may come, and how often.

use super::block::Block;
use super::{Site, redirect};
use crate::Reading;
use crate::draft::Keys;

/// The directives of one server or location; `path` is `/` for a server.
pub(super) fn read(blocks: &[&Block], path: &str, reading: &mut Reading<'_>) {
    let of = |names: &[&str]| -> Vec<&Block> {
        blocks
            .iter()
            .copied()
            .filter(|block| names.contains(&block.name.as_str()))
            .collect()
    };
    addresses(&of(&["allow", "deny"]), path, reading);
    users(blocks, path, reading);
    for block in of(&["satisfy"]) {
        match block.arg(0) {
            "any" => reading.ledger.unsupported(
                block.id,
                "addresses and users must both be right",
                "keep one of the two in [[access]]",
            ),
            _ => reading
                .ledger
                .taken(block.id, "addresses and users must both be right"),
        }
    }
    for block in of(&["limit_req"]) {
        reading
            .stack
            .limited
            .push((block.args.clone(), path.to_owned(), block.id));
    }
    for block in of(&[
        "limit_req_status",
        "limit_req_log_level",
        "limit_conn_status",
        "limit_conn_log_level",
    ]) {
        reading
            .ledger
            .taken(block.id, "who comes too often is answered 429");
    }
    for block in of(&["limit_conn", "limit_conn_zone"]) {
        reading.ledger.taken(
            block.id,
            "an address may have 500 connections: [limits] max_connections_per_address",
        );
    }
}

fn addresses(blocks: &[&Block], path: &str, reading: &mut Reading<'_>) {
    let Some(first) = blocks.first() else {
        return;
    };
    let Some(mount) = redirect::mount(path) else {
        return reading
            .ledger
            .open(first.id, "this path is not read", "write [[access]]");
    };
    let list = |name: &str| -> Vec<String> {
        let named = blocks
            .iter()
            .filter(|block| block.name == name && block.arg(0) != "all");
        named.map(|block| block.arg(0).to_owned()).collect()
    };
    let (allow, deny) = (list("allow"), list("deny"));
    let denies_all = blocks
        .iter()
        .any(|block| block.name == "deny" && block.arg(0) == "all");
    let mut keys = Keys::default().with("url", mount.as_str());
    match (allow.is_empty(), deny.is_empty(), denies_all) {
        (true, _, true) => drop(keys.set("deny", vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()])),
        (false, true, _) => drop(keys.set("allow", allow)),
        (false, false, true) => drop(keys.set("allow", allow).set("deny", deny)),
        (_, false, false) => drop(keys.set("deny", deny)),
        (true, ..) => {}
    }
    let reads = redirect::reads("access", &keys);
    for block in blocks {
        match reads {
            true => reading
                .ledger
                .taken(block.id, format!("[[access]] {mount}")),
            false => reading.ledger.open(
                block.id,
                "this address is not read",
                "write [[access]] allow and deny",
            ),
        }
    }
    if reads {
        for key in ["allow", "deny"] {
            if let Some(value) = keys.get(key) {
                reading.draft.access(&mount).set(key, value.clone());
            }
        }
    }
}

fn users(blocks: &[&Block], path: &str, reading: &mut Reading<'_>) {
    let find = |name: &str| blocks.iter().find(|block| block.name == name);
    let Some(realm) = find("auth_basic") else {
        return;
    };
    if realm.arg(0) == "off" {
        if let Some(mount) = redirect::mount(path) {
            reading.draft.access(&mount).set("public", true);
        }
        return reading.ledger.taken(realm.id, "[[access]] public");
    }
    let file = find("auth_basic_user_file");
    let path_of_file = file.and_then(|file| super::folder::host_path(file.arg(0), reading));
    let text = path_of_file
        .as_ref()
        .and_then(|path| reading.options.shelf.read(path));
    let known = |line: &str| {
        line.split_once(':')
            .is_some_and(|(_, hash)| hash.starts_with("$2") || hash.starts_with("$argon2"))
    };
    let lines = text
        .iter()
        .flat_map(|text| text.lines())
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let all_known = text.is_some() && lines.clone().all(known);
    match (redirect::mount(path), path_of_file) {
        (Some(mount), Some(file_path)) if all_known => {
            let shown = crate::shelf::relative(reading.options.dir, &file_path);
            reading
                .draft
                .access(&mount)
                .set("users", shown)
                .set("realm", realm.arg(0));
            for block in [Some(realm), file].into_iter().flatten() {
                reading
                    .ledger
                    .taken(block.id, format!("[[access]] {mount}: users"));
            }
        }
        (mount, _) => {
            let mount = mount.unwrap_or_else(|| path.to_owned());
            for block in [Some(realm), file].into_iter().flatten() {
                reading.ledger.open(
                    block.id,
                    "the file of passwords was not found, or has hashes that Hotclub does not take (only bcrypt and argon2)",
                    format!("hotclub passwd NAME >> users.txt, and [[access]] url = \"{mount}\", users = \"users.txt\""),
                );
            }
        }
    }
}

/// `limit_req_zone … rate=10r/s`, with the `limit_req`s that name it.
pub(super) fn zones(site: &Site<'_>, reading: &mut Reading<'_>) {
    for (args, path, id) in std::mem::take(&mut reading.stack.limited) {
        let option = |name: &str| {
            args.iter()
                .find_map(|arg| arg.strip_prefix(name).and_then(|arg| arg.strip_prefix('=')))
                .map(str::to_owned)
        };
        let zone = option("zone").unwrap_or_default();
        let rate = site.zones.iter().find(|block| {
            block.args.iter().any(|arg| {
                arg.strip_prefix("zone=")
                    .is_some_and(|arg| arg.split(':').next() == Some(&zone))
            })
        });
        let rate =
            rate.and_then(|block| block.args.iter().find_map(|arg| arg.strip_prefix("rate=")));
        let limit = rate.map(|rate| rate.replace("r/", "/"));
        let mount = redirect::mount(&path);
        let (Some(limit), Some(mount)) = (limit, mount) else {
            reading.ledger.open(
                id,
                "its limit_req_zone was not found",
                "write [[rate]] url, limit = \"10/s\"",
            );
            continue;
        };
        let mut keys = Keys::default()
            .with("url", mount.as_str())
            .with("limit", limit.as_str());
        if let Some(burst) = option("burst").and_then(|burst| burst.parse::<u64>().ok()) {
            keys.set("burst", burst + 1);
        }
        match redirect::reads("rate", &keys) && reading.draft.push("rate", keys) {
            true => reading
                .ledger
                .taken(id, format!("[[rate]] {mount}: {limit}")),
            false => reading.ledger.open(
                id,
                "this rate is not read",
                "write [[rate]] url, limit = \"10/s\"",
            ),
        }
    }
    for zone in &site.zones {
        match zone.arg(0).contains("remote_addr") {
            true => reading.ledger.taken(zone.id, "[[rate]], for each address"),
            false => reading.ledger.unsupported(
                zone.id,
                "rates are counted for each address",
                "count by other things in the app",
            ),
        }
    }
}
