//! `[runtime]`.

use std::path::{Component, Path, PathBuf};

use toml::de::DeValue;

use super::reader::{Reader, Section};
use crate::runtime::{Runtime, RuntimeKind, Volume, VolumeSource};
use crate::value::{self, Wrong};

const KINDS: [(&str, RuntimeKind); 2] =
    [("host", RuntimeKind::Host), ("docker", RuntimeKind::Docker)];

pub(super) fn runtime(reader: &mut Reader, top: &mut Section<'_>) -> Runtime {
    let mut section = reader.table(top, "runtime");
    let dir = reader.dir().to_path_buf();
    let kind = reader.get(&mut section, "kind", |value| value::word(value, &KINDS));
    let mut text =
        |key, example: &str| reader.get(&mut section, key, |value| value::text(value, example));
    let engine = text("engine", "\"unix:///run/user/1000/podman/podman.sock\"");
    let image = text("image", "\"registry.example.com/portfolio:1\"");
    let context = text("context", "\"src\"").map(|path| dir.join(path));
    let dockerfile = text("dockerfile", "\"Dockerfile.prod\"").map(PathBuf::from);
    let target = text("target", "\"production\"");
    let base = text("base", "\"python:3.12-slim\"");
    let ca_bundle = text("ca_bundle", "\"/etc/ssl/certs/ca-certificates.crt\"");
    let build_network = text("build_network", "\"host\"");
    let workdir = reader.get(&mut section, "workdir", |value| {
        inside(&value::text(value, "\"/usr/src/app\"")?)
    });
    let memory = reader.get(&mut section, "memory", value::positive_size);
    let example = "[\"src/mediafiles:/usr/src/app/mediafiles\"]";
    let volumes = reader.list(&mut section, "volumes", example, |value| {
        volume(value, &dir)
    });
    let args = args(reader, &mut section);
    reader.end(section);
    no_build_of_a_finished_image(reader);
    no_base_of_another_dockerfile(reader);
    Runtime {
        kind: kind.unwrap_or_default(),
        engine,
        image,
        context,
        dockerfile,
        target,
        args,
        base,
        ca_bundle: ca_bundle.map(|path| dir.join(path)),
        build_network,
        volumes: volumes.unwrap_or_default(),
        workdir,
        memory,
    }
}

fn args(
    reader: &mut Reader,
    section: &mut Section<'_>,
) -> std::collections::BTreeMap<String, String> {
    let mut args = std::collections::BTreeMap::new();
    for (name, _, value) in reader.free_table(section, "args") {
        match value::text(value.get_ref(), "\"1\"") {
            Ok(text) => {
                args.insert(name, text);
            }
            Err(wrong) => reader.wrong(&format!("runtime.args.{name}"), &name, value.span(), wrong),
        }
    }
    args
}

/// `image` names what is not built here.
fn no_build_of_a_finished_image(reader: &mut Reader) {
    let build = [
        "context",
        "dockerfile",
        "target",
        "args",
        "base",
        "ca_bundle",
        "build_network",
    ];
    let keys = build.map(|key| format!("runtime.{key}"));
    let Some(key) = keys.into_iter().find(|key| reader.has(key)) else {
        return;
    };
    if reader.has("runtime.image") {
        let message =
            format!("`runtime.image` is a finished image, and `{key}` is about building one");
        let hint = "remove one of the two".to_owned();
        reader.collision(("runtime.image", &key), message, hint);
    }
}

/// `base` is the first line of a Dockerfile that Hotclub writes.
fn no_base_of_another_dockerfile(reader: &mut Reader) {
    let of_a_users = ["context", "dockerfile", "target"].map(|key| format!("runtime.{key}"));
    let Some(key) = of_a_users.into_iter().find(|key| reader.has(key)) else {
        return;
    };
    if reader.has("runtime.base") {
        let message = format!(
            "`runtime.base` is about the Dockerfile that Hotclub writes, and `{key}` about one of yours"
        );
        let hint = "remove one of the two".to_owned();
        reader.collision(("runtime.base", &key), message, hint);
    }
}

/// `FOLDER:/IN/CONTAINER` or `NAME:/IN/CONTAINER`, `:ro` behind it, as compose files have it.
fn volume(value: &DeValue<'_>, dir: &Path) -> Result<Volume, Wrong> {
    const EXAMPLE: &str = "\"src/mediafiles:/usr/src/app/mediafiles\"";
    let text = value::text(value, EXAMPLE)?;
    let wrong = |found: &str| {
        Wrong::value("\"FOLDER:/IN/CONTAINER\", with `:ro` or without", found).example(EXAMPLE)
    };
    let mut parts = text.split(':');
    let (Some(from), Some(to)) = (parts.next(), parts.next()) else {
        return Err(wrong("this names no place in the container"));
    };
    let read_only = match (parts.next(), parts.next()) {
        (None, _) | (Some("rw"), None) => false,
        (Some("ro"), None) => true,
        _ => return Err(wrong("what follows the container's folder is not `ro`")),
    };
    let is_folder = from.starts_with(['.', '/', '~']) || from.contains('/');
    let from = match is_folder {
        true => VolumeSource::Folder(normal(&dir.join(from))),
        false if is_volume_name(from) => VolumeSource::Named(from.to_owned()),
        false => return Err(wrong("this is neither a folder nor a volume's name")),
    };
    Ok(Volume {
        from,
        to: inside(to)?,
        read_only,
    })
}

pub(super) fn is_volume_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(good)
}

fn inside(text: &str) -> Result<PathBuf, Wrong> {
    let path = normal(Path::new(text));
    match path.is_absolute() && path.parent().is_some() {
        true => Ok(path),
        false => Err(Wrong::value(
            "a folder in the container, from its root on",
            "this does not begin at `/`, or is `/` itself",
        )),
    }
}

/// Without `.` and doubled slashes: the same folder has the same name.
fn normal(path: &Path) -> PathBuf {
    path.components()
        .filter(|part| *part != Component::CurDir)
        .collect()
}
