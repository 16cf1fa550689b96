//! The service that is the app.

mod ports;
mod volumes;

use super::service::{Service, command_text, dockerfile_of};
use super::tree::Leaf;
use crate::launch::{self, At};
use crate::{Reading, dockerfile, environment, shelf};

const SEEN: [&str; 11] = [
    "build",
    "image",
    "command",
    "entrypoint",
    "volumes",
    "ports",
    "env_file",
    "environment",
    "healthcheck",
    "working_dir",
    "expose",
];

pub(super) fn read(service: &Service<'_>, reading: &mut Reading<'_>) {
    reading.stack.has_app = true;
    // What paths of the container mean is asked by everything below.
    if let Some(leaf) = service.leaf.get("volumes") {
        volumes::read(service, leaf, reading);
    }
    let mut serves = false;
    for (key, leaf) in service.leaf.entries() {
        match key.as_str() {
            "build" => serves |= build(service, leaf, reading),
            "image" => image(service, leaf, reading),
            "command" | "entrypoint" => serves |= command(service, leaf, reading),
            "ports" => ports::read(leaf, reading),
            "healthcheck" => healthcheck(leaf, reading),
            "working_dir" => reading
                .ledger
                .taken(leaf.id, "not needed: Hotclub works in manage.py's folder"),
            "expose" => exposed(service, leaf, reading),
            _ => {}
        }
    }
    if !serves {
        launch::no_server(&format!("services.{}", service.name), reading);
    }
    reached(service, reading);
    environment::of_service(service, reading);
    service.rest(&SEEN, reading);
}

fn build(service: &Service<'_>, leaf: &Leaf, reading: &mut Reading<'_>) -> bool {
    reading.ledger.taken(
        leaf.id,
        "no image is built: the dependencies go into a virtualenv, from the lock file",
    );
    for (key, leaf) in leaf.entries() {
        match key.as_str() {
            "args" => reading.ledger.open(
                leaf.id,
                "build arguments are not read",
                "if one of them chooses what is installed or set, say that in the lock file or under [env] set",
            ),
            "secrets" | "ssh" => reading.ledger.open(
                leaf.id,
                "secrets of the build are not handed on",
                "give pip what it needs: PIP_EXTRA_INDEX_URL, or a netrc file",
            ),
            "dockerfile_inline" => reading.ledger.open(leaf.id, "a Dockerfile within Compose is not read", "put it into a file of its own"),
            _ => {}
        }
    }
    let Some((context, file)) = dockerfile_of(service.leaf, service.dir) else {
        return false;
    };
    let shelf = reading.options.shelf;
    if shelf.read(&context.join("manage.py")).is_some() {
        let dir = shelf::relative(reading.options.dir, &context);
        if dir != "." {
            reading.draft.table("app").set("dir", dir.as_str());
            reading
                .ledger
                .taken(leaf.id, "[app] dir: manage.py is in the build's context");
        }
    }
    let Some(text) = shelf.read(&file) else {
        let shown = shelf::relative(reading.options.dir, &file);
        reading.ledger.open(
            leaf.id,
            format!("{shown} was not found, so nothing is known of it"),
            "name it on the command line, too",
        );
        return false;
    };
    let shown = shelf::relative(reading.options.dir, &file);
    let overridden = dockerfile::Overridden {
        command: service.leaf.get("command").is_some(),
        entrypoint: service.leaf.get("entrypoint").is_some(),
    };
    dockerfile::read(
        &dockerfile::File {
            text: &text,
            shown: &shown,
            context: &context,
        },
        overridden,
        reading,
    )
}

fn image(service: &Service<'_>, leaf: &Leaf, reading: &mut Reading<'_>) {
    if service.leaf.get("build").is_some() {
        return reading
            .ledger
            .taken(leaf.id, "not needed: no image is built");
    }
    reading.ledger.open(
        leaf.id,
        "the app comes as an image, and its source is needed here",
        "put hotclub.toml into the project's folder, beside its source and its lock file",
    );
}

fn command(service: &Service<'_>, leaf: &Leaf, reading: &mut Reading<'_>) -> bool {
    let Some(text) = command_text(leaf).filter(|text| !text.trim().is_empty()) else {
        reading.ledger.taken(leaf.id, "empty");
        return false;
    };
    let context = dockerfile_of(service.leaf, service.dir).map(|(context, _)| context);
    let dir = context.unwrap_or_else(|| service.dir.to_path_buf());
    let at = At {
        id: leaf.id,
        place: &leaf.place,
        dir: &dir,
    };
    let launched = launch::take(&text, &at, reading);
    for bind in launched.bind {
        listens(service, &bind, reading);
    }
    launched.serves
}

/// The app's own address, as others in the project's network know it.
fn listens(service: &Service<'_>, bind: &str, reading: &mut Reading<'_>) {
    match bind.rsplit_once(':') {
        Some((_, port)) if !bind.starts_with("unix:") => {
            let port = port.to_owned();
            reading
                .stack
                .app_at
                .push(format!("{}:{port}", service.name));
            if let Some(name) = service.leaf.text_of("container_name") {
                reading.stack.app_at.push(format!("{name}:{port}"));
            }
        }
        _ => reading.stack.app_at.push(bind.to_owned()),
    }
}

fn exposed(service: &Service<'_>, leaf: &Leaf, reading: &mut Reading<'_>) {
    for port in leaf.texts() {
        reading
            .stack
            .app_at
            .push(format!("{}:{port}", service.name));
    }
    reading.ledger.taken(
        leaf.id,
        "not needed: between front and app there is no port",
    );
}

/// Whatever the command said, the project's network knows the app by its name.
fn reached(service: &Service<'_>, reading: &mut Reading<'_>) {
    for port in ["8000", "80", "8080", "5000"] {
        reading
            .stack
            .app_at
            .push(format!("{}:{port}", service.name));
    }
    reading.stack.app_at.push(service.name.to_owned());
}

fn healthcheck(leaf: &Leaf, reading: &mut Reading<'_>) {
    reading.ledger.taken(
        leaf.id,
        "a worker that hangs or dies is replaced, and a new release is probed with the site's own Host before it is served",
    );
}

/// Source and target of a volume.
pub(super) fn volume(leaf: &Leaf) -> Option<(&str, &str)> {
    volumes::mount(leaf)
}

pub(crate) use volumes::folder_kind;
