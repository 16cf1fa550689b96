//! The environment of the app: `env_file` and `environment`, and what in it would not hold on the host: the old
//! database, paths of the container, names of other services.

use std::path::{Path, PathBuf};

use hotclub_config::env_file;

use crate::compose::{Leaf, Service};
use crate::ledger::Id;
use crate::{Reading, shelf};

/// A variable as the container had it.
pub(crate) struct Var {
    pub(crate) name: String,
    pub(crate) value: String,
    id: Id,
}

/// All variables of a service, in the order in which later ones win. Nothing is judged.
pub(crate) fn values(service: &Service<'_>, reading: &Reading<'_>) -> Vec<Var> {
    let mut vars = Vec::new();
    for leaf in service
        .leaf
        .get("env_file")
        .into_iter()
        .flat_map(Leaf::list)
    {
        let Some(path) = file_of(leaf, service.dir) else {
            continue;
        };
        let Some(text) = reading.options.shelf.read(&path) else {
            continue;
        };
        let entries = env_file::parse(&text, &path)
            .map(|file| file.entries)
            .unwrap_or_default();
        vars.extend(entries.into_iter().map(|entry| Var {
            name: entry.name,
            value: entry.value.expose().to_owned(),
            id: leaf.id,
        }));
    }
    for (name, leaf) in service
        .leaf
        .get("environment")
        .into_iter()
        .flat_map(Leaf::entries)
    {
        if let Some(value) = leaf.text() {
            vars.push(Var {
                name: name.clone(),
                value: value.to_owned(),
                id: leaf.id,
            });
        }
    }
    vars
}

fn file_of(leaf: &Leaf, dir: &Path) -> Option<PathBuf> {
    let path = leaf.text().or_else(|| leaf.text_of("path"))?;
    Some(shelf::joined(dir, path))
}

/// Takes the app's environment over.
pub(crate) fn of_service(service: &Service<'_>, reading: &mut Reading<'_>) {
    files(service, reading);
    for (name, leaf) in service
        .leaf
        .get("environment")
        .into_iter()
        .flat_map(Leaf::entries)
    {
        entry(name, leaf, reading);
    }
    for var in values(service, reading) {
        mend(&var, reading);
    }
}

/// Another service's environment is the app's; what differs is told.
pub(crate) fn of_other_service(service: &Service<'_>, reading: &mut Reading<'_>) {
    for leaf in service
        .leaf
        .get("env_file")
        .into_iter()
        .flat_map(Leaf::list)
    {
        let path =
            file_of(leaf, service.dir).map(|path| shelf::relative(reading.options.dir, &path));
        match path.filter(|path| has_file(path, reading)) {
            Some(_) => reading
                .ledger
                .taken(leaf.id, "the same environment as the app's"),
            None => reading.ledger.open(
                leaf.id,
                "the app does not have this env file",
                "add it to [env] files: app and processes have one environment",
            ),
        }
    }
    for (name, leaf) in service
        .leaf
        .get("environment")
        .into_iter()
        .flat_map(Leaf::entries)
    {
        match is_known(name, leaf, reading) {
            true => reading
                .ledger
                .taken(leaf.id, "the same environment as the app's"),
            false => reading.ledger.open(
                leaf.id,
                format!("the app does not have this {name}"),
                "add it to [env] set: app and processes have one environment",
            ),
        }
    }
}

fn has_file(path: &str, reading: &mut Reading<'_>) -> bool {
    matches!(reading.draft.table("env").get("files"), Some(crate::draft::Toml::List(files)) if files.iter().any(|file| file == path))
}

fn is_known(name: &str, leaf: &Leaf, reading: &mut Reading<'_>) -> bool {
    let decided = (reading.options.names_a_database)(name) && reading.stack.database.is_some();
    let fields = match reading.draft.table("env").get("set") {
        Some(crate::draft::Toml::Fields(fields)) => fields.clone(),
        _ => Vec::new(),
    };
    decided
        || fields
            .iter()
            .any(|(known, value)| known == name && Some(value.as_str()) == leaf.text())
}

fn files(service: &Service<'_>, reading: &mut Reading<'_>) {
    for leaf in service
        .leaf
        .get("env_file")
        .into_iter()
        .flat_map(Leaf::list)
    {
        let Some(path) = file_of(leaf, service.dir) else {
            reading
                .ledger
                .open(leaf.id, "this names no file", "write [env] files");
            continue;
        };
        let shown = shelf::relative(reading.options.dir, &path);
        let Some(text) = reading.options.shelf.read(&path) else {
            reading.ledger.open(
                leaf.id,
                format!("{shown} is not there"),
                format!("put it there, and write [env] files = [\"{shown}\"]"),
            );
            continue;
        };
        match env_file::parse(&text, &path) {
            Ok(_) => {
                reading.draft.table("env").add("files", shown.as_str());
                reading.ledger.taken(leaf.id, format!("[env] files: {shown}"));
                comments(&text, leaf, reading);
            }
            Err(_) => reading.ledger.open(
                leaf.id,
                format!("{shown} is not written by the grammar of env files"),
                format!("correct it (docs/configuration.md has the grammar), and write [env] files = [\"{shown}\"]"),
            ),
        }
    }
}

/// Compose cuts an unquoted value at ` #`, Hotclub does not, and takes no variables out of a file.
fn comments(text: &str, leaf: &Leaf, reading: &mut Reading<'_>) {
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let value = value.trim();
        let (name, number) = (name.trim(), at + 1);
        if value.starts_with(['"', '\'']) {
            continue;
        }
        if value.contains(" #") {
            reading.ledger.open(
                leaf.id,
                format!("line {number}, {name}: Compose takes what follows ` #` for a comment, Hotclub for a part of the value"),
                "put the comment on a line of its own",
            );
        }
        if value.contains("${") {
            reading.ledger.open(
                leaf.id,
                format!("line {number}, {name}: Compose fills in the variable, Hotclub takes every `$` as it is"),
                "write the value out",
            );
        }
    }
}

fn entry(name: &str, leaf: &Leaf, reading: &mut Reading<'_>) {
    if !env_file::is_name(name) {
        return reading.ledger.open(
            leaf.id,
            "this is no variable's name",
            "write it under [env] set",
        );
    }
    let Some(value) = leaf.text() else {
        return reading.ledger.open(
            leaf.id,
            format!("{name} comes from the shell that runs Compose"),
            format!(
                "set it under [env] set, or in an env file, unless the settings do without {name}"
            ),
        );
    };
    reading.draft.table("env").field("set", name, value);
    match is_secret(name) && !value.is_empty() {
        true => {
            reading.stack.wrote_secret = true;
            reading.ledger.mended(leaf.id, "[env] set; hotclub.toml is readable by its owner alone, for this is a secret: better in an env file of its own");
        }
        false => reading.ledger.taken(leaf.id, "[env] set"),
    }
}

/// By its name; values are never looked at for this.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words = [
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "TOKEN",
        "PRIVATE",
        "API_KEY",
        "APIKEY",
        "ACCESS_KEY",
        "DSN",
        "CREDENTIAL",
        "DATABASE_URL",
    ];
    words.iter().any(|word| name.contains(word))
        || name.ends_with("_KEY")
        || name.ends_with("_PASS")
}

/// What holds in a container and not on the host.
fn mend(var: &Var, reading: &mut Reading<'_>) {
    let Var { name, value, id } = var;
    if reading.stack.database.is_some() && (reading.options.names_a_database)(name) {
        return old_database(name, *id, reading);
    }
    if let Some(path) = host_path(value, reading) {
        reading.draft.table("env").field("set", name, &path);
        return reading.ledger.mended(
            *id,
            format!("{name} named a folder of the container: [env] set has it on the host, {path}"),
        );
    }
    match name.as_str() {
        "CSRF_TRUSTED_ORIGINS" | "DJANGO_CSRF_TRUSTED_ORIGINS"
            if value.contains('*') && !value.contains("*.") =>
        {
            reading.stack.csrf_star = Some((name.clone(), *id));
        }
        "DEBUG" | "DJANGO_DEBUG" if is_on(value) => reading.ledger.open(
            *id,
            format!("{name} is on: visitors would see settings and source on every error"),
            format!("set {name} to 0, or False, as the settings want it"),
        ),
        _ => {}
    }
    let names_it = |service: &&String| mentions(value, service);
    if let Some(service) = reading.stack.strangers.iter().find(names_it).cloned() {
        reading.ledger.open(
            *id,
            format!("{name} names the service `{service}`, which the host does not know"),
            format!(
                "publish its port on 127.0.0.1, and write 127.0.0.1 in the place of `{service}`"
            ),
        );
    }
}

/// An empty value is no decision: Hotclub fills in its own.
fn old_database(name: &str, id: Id, reading: &mut Reading<'_>) {
    reading.draft.table("env").field("set", name, "");
    reading.ledger.mended(
        id,
        format!("{name} led to the old database: [env] set empties it, and the site's own cluster is put in its place"),
    );
}

fn host_path(value: &str, reading: &Reading<'_>) -> Option<String> {
    let is_absolute = value.starts_with('/') && !value.contains([' ', ':', ',']);
    let path = is_absolute
        .then(|| reading.stack.on_host(Path::new(value)))
        .flatten()?;
    Some(path.display().to_string())
}

fn is_on(value: &str) -> bool {
    matches!(
        value.trim().to_ascii_lowercase().as_str(),
        "1" | "true" | "yes" | "on"
    )
}

/// Whether a value has a service's name where a host stands.
fn mentions(value: &str, service: &str) -> bool {
    let host = value.split("://").nth(1).unwrap_or(value);
    let host = host.rsplit('@').next().unwrap_or(host);
    host.split([':', '/']).next() == Some(service)
}
