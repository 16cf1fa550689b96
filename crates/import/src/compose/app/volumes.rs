//! `volumes` of the app: the code, collected static files, uploads.

use std::path::PathBuf;

use crate::compose::service::Service;
use crate::compose::tree::Leaf;
use crate::stack::Mount;
use crate::{Reading, shelf};

pub(in crate::compose) fn read(service: &Service<'_>, leaf: &Leaf, reading: &mut Reading<'_>) {
    for entry in leaf.list() {
        one(service, entry, reading);
    }
}

fn one(service: &Service<'_>, leaf: &Leaf, reading: &mut Reading<'_>) {
    let Some((source, target)) = mount(leaf) else {
        return reading
            .ledger
            .taken(leaf.id, "an empty volume: nothing to take over");
    };
    if target.ends_with("docker.sock") {
        return reading.ledger.mended(
            leaf.id,
            "the app could command Docker, and so the whole machine: it cannot any more",
        );
    }
    if !is_path(source) {
        return named(source, target, leaf, reading);
    }
    let host = match source.strip_prefix("~/") {
        Some(rest) => match reading.options.vars.get("HOME") {
            Some(home) => PathBuf::from(home).join(rest),
            None => shelf::joined(service.dir, source),
        },
        None => shelf::joined(service.dir, source),
    };
    let shown = shelf::relative(reading.options.dir, &host);
    let is_code = reading.options.dir.starts_with(&host) || shelf_has_code(&host, reading);
    reading.stack.mounts.push(Mount {
        host,
        target: PathBuf::from(target),
    });
    if is_code {
        return reading.ledger.mended(
            leaf.id,
            "the source was mounted over the image's own: Hotclub runs the project's folder itself",
        );
    }
    let what = match folder_kind(target) {
        "static" => "static files are collected once a release and served by the front".to_owned(),
        "media" => format!("uploads stay in {shown}, and are served by the front"),
        _ => format!("{shown} is on the host: settings that name {target} are led there"),
    };
    reading.ledger.taken(leaf.id, what);
}

fn shelf_has_code(host: &std::path::Path, reading: &Reading<'_>) -> bool {
    reading
        .options
        .shelf
        .read(&host.join("manage.py"))
        .is_some()
}

fn named(volume: &str, target: &str, leaf: &Leaf, reading: &mut Reading<'_>) {
    match folder_kind(target) {
        "static" => reading.ledger.taken(
            leaf.id,
            "static files are collected once a release and served by the front",
        ),
        _ => {
            reading.stack.volumes.push(target.to_owned());
            reading.ledger.open(
                leaf.id,
                format!("the files of the volume `{volume}` stay in Docker until they are copied"),
                format!(
                    "copy them before the old stack goes, to where the settings have them on this host (MEDIA_ROOT for \
                     uploads): docker compose cp CONTAINER:{target}/. FOLDER/"
                ),
            );
        }
    }
}

/// `static`, `media` or neither, by the folder's name.
pub(crate) fn folder_kind(path: &str) -> &'static str {
    let last = path
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    if last.contains("static") || last == "assets" {
        "static"
    } else if last.contains("media") || last.contains("upload") {
        "media"
    } else {
        ""
    }
}

/// Source and target of either shape.
pub(in crate::compose) fn mount(leaf: &Leaf) -> Option<(&str, &str)> {
    if let Some(target) = leaf.text_of("target") {
        return Some((leaf.text_of("source")?, target));
    }
    let (source, rest) = leaf.text()?.split_once(':')?;
    let target = rest.split(':').next().unwrap_or(rest);
    Some((source, target))
}

pub(in crate::compose) fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~'])
}
