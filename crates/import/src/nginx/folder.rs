//! `alias` and `root`: folders that are served.

use std::path::{Path, PathBuf};

use super::block::Block;
use super::redirect;
use crate::compose::folder_kind;
use crate::draft::Keys;
use crate::{Reading, placeholder, shelf};

/// A folder under a location's path.
pub(super) fn read(block: &Block, location: &Block, path: &str, reading: &mut Reading<'_>) {
    let is_alias = block.name == "alias";
    let Some(mount) = redirect::mount(path) else {
        return reading
            .ledger
            .open(block.id, "this path is not read", "write a [[files]]");
    };
    if is_alias {
        slashes(block, path, reading);
    }
    let whole = match is_alias {
        true => block.arg(0).to_owned(),
        false => format!("{}{path}", block.arg(0).trim_end_matches('/')),
    };
    let kind = match (folder_kind(&mount), folder_kind(&whole)) {
        ("", kind) | (kind, _) => kind,
    };
    if kind == "static" && reading.stack.has_app {
        cache_of_static(location, reading);
        return reading.ledger.taken(
            block.id,
            "static files: from STATIC_URL in the settings, collected once a release",
        );
    }
    match host_path(&whole, reading) {
        Some(folder) => files(block, location, &mount, &folder, reading),
        None if kind == "media" && reading.stack.has_app => {
            reading.ledger.taken(
                block.id,
                "uploads: from MEDIA_URL and MEDIA_ROOT in the settings",
            );
            cache_of_static(location, reading);
        }
        None => reading.ledger.open(
            block.id,
            format!("`{}` is not a folder of this machine", block.arg(0)),
            format!("write [[files]] url = \"{mount}\", path = \"…\""),
        ),
    }
}

/// NGINX puts the two texts together as they are.
fn slashes(block: &Block, path: &str, reading: &mut Reading<'_>) {
    match (path.ends_with('/'), block.arg(0).ends_with('/')) {
        (true, false) => reading.ledger.mended(
            block.id,
            "the alias lacked its slash: /static/a.css was looked for as staticfilesa.css (404). Whole names are matched now",
        ),
        (false, true) => reading.ledger.mended(
            block.id,
            "the location lacked its slash, so that `/static../` led out of the folder: whole names are matched now",
        ),
        _ => {}
    }
}

/// Where a folder of NGINX's lies on this machine.
pub(super) fn host_path(text: &str, reading: &mut Reading<'_>) -> Option<PathBuf> {
    if text.contains('$') {
        return None;
    }
    if placeholder::find(text).is_some() {
        let rest = placeholder::path_behind(text)?;
        return Some(shelf::joined(reading.options.dir, rest));
    }
    let path = Path::new(text);
    if let Some(host) = reading.stack.on_host(path) {
        return Some(host);
    }
    let inside_container = !reading.stack.web_ports.is_empty() && reading.stack.from_compose;
    let absolute = path
        .is_absolute()
        .then(|| shelf::joined(Path::new("/"), text));
    absolute.filter(|_| !inside_container)
}

fn files(block: &Block, location: &Block, mount: &str, folder: &Path, reading: &mut Reading<'_>) {
    let shown = shelf::relative(reading.options.dir, folder);
    let mut keys = Keys::default()
        .with("url", mount)
        .with("path", shown.as_str());
    for other in &location.inside {
        option(other, &mut keys, reading);
    }
    if !redirect::reads("files", &keys) {
        return reading
            .ledger
            .open(block.id, "this folder is not read", "write a [[files]]");
    }
    match reading.draft.push("files", keys) {
        true => {
            let said = match placeholder::find(block.arg(0)) {
                Some(placeholder) => {
                    format!("[[files]] {mount}: {shown}; `{placeholder}` is taken for this folder")
                }
                None => format!("[[files]] {mount}: {shown}"),
            };
            reading.ledger.taken(block.id, said);
        }
        false => reading
            .ledger
            .open(block.id, format!("{mount} stands there twice"), "keep one"),
    }
}

fn option(block: &Block, keys: &mut Keys, reading: &mut Reading<'_>) {
    match block.name.as_str() {
        "expires" => match expires(block.arg(block.args.len().saturating_sub(1))) {
            Some(age) => {
                keys.set("max_age", age);
                reading.ledger.taken(block.id, "[[files]] max_age");
            }
            None => reading.ledger.open(
                block.id,
                "this age is not read",
                "write [[files]] max_age = \"7d\"",
            ),
        },
        "add_header" if block.arg(0).eq_ignore_ascii_case("cache-control") => {
            let with = keys.clone().with("cache", block.arg(1));
            if redirect::reads("files", &with) && keys.get("max_age").is_none() {
                *keys = with;
                return reading.ledger.taken(block.id, "[[files]] cache");
            }
            reading
                .ledger
                .taken(block.id, "[[files]] max_age says how long");
        }
        "autoindex" => {
            if block.arg(0) == "on" {
                keys.set("index", true);
            }
            reading.ledger.taken(block.id, "[[files]] index");
        }
        "internal" => {
            keys.set("internal", true);
            reading.ledger.taken(block.id, "[[files]] internal");
        }
        _ => {}
    }
}

/// `30d`, `1y`, `max`, `off`, `-1`.
fn expires(text: &str) -> Option<String> {
    match text {
        "max" => Some("365d".to_owned()),
        "off" | "epoch" | "-1" | "0" => Some("0s".to_owned()),
        _ => super::plain::seconds(text).map(|seconds| format!("{seconds}s")),
    }
}

/// How long static files may be kept is decided by their names.
fn cache_of_static(location: &Block, reading: &mut Reading<'_>) {
    for block in &location.inside {
        if block.name == "expires"
            || (block.name == "add_header" && block.arg(0).eq_ignore_ascii_case("cache-control"))
        {
            reading.ledger.taken(
                block.id,
                "a file whose name Django hashed is kept for a year, others for as long as is safe",
            );
        }
    }
}
