//! `[env]` and `[database]`: what the app is told, and where its data is.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::reader::{Reader, Section};
use crate::model::{Backup, Database, Engine, Env, EnvVar, Origin, Site};
use crate::runtime::RuntimeKind;
use crate::value::{self, Wrong};
use crate::{Secret, env_file};

/// PostgreSQL's oldest major version that Hotclub starts, and a bound that catches slips (`160`).
const VERSIONS: (u32, u32) = (12, 99);

pub(super) fn env(reader: &mut Reader, top: &mut Section<'_>) -> Env {
    const EXAMPLE: &str = "[\".env\"]";
    let mut section = reader.table(top, "env");
    let files = reader.list(&mut section, "files", EXAMPLE, |v| value::text(v, EXAMPLE));
    let vars = set(reader, &mut section);
    reader.end(section);
    let dir = reader.dir();
    Env {
        files: files
            .unwrap_or_default()
            .iter()
            .map(|file| dir.join(file))
            .collect(),
        vars,
    }
}

fn set(reader: &mut Reader, section: &mut Section<'_>) -> BTreeMap<String, EnvVar> {
    let mut vars = BTreeMap::new();
    for (name, span, value) in reader.free_table(section, "set") {
        let path = format!("env.set.{name}");
        if !env_file::is_name(&name) {
            let wrong = Wrong::value(
                "named by letters, digits and `_`",
                "this is no variable's name",
            );
            reader.wrong("env.set", "set", span, wrong);
        }
        match variable(value.get_ref()) {
            Ok(value) => {
                vars.insert(
                    name,
                    EnvVar {
                        value,
                        origin: Origin::Set,
                    },
                );
            }
            Err(wrong) => reader.wrong(&path, &name, value.span(), wrong),
        }
    }
    vars
}

fn variable(value: &DeValue<'_>) -> Result<Secret, Wrong> {
    match value.as_str() {
        Some(text) if text.contains('\0') => Err(Wrong::value(
            "a text that a process can be given",
            "this holds a NUL character",
        )),
        Some(text) => Ok(Secret::new(text)),
        None => {
            let wrong = Wrong::kind(value, "a text", "…")
                .hint("every variable is text: write the value in quotes");
            Err(Wrong {
                example: None,
                ..wrong
            })
        }
    }
}

pub(super) fn database(reader: &mut Reader, top: &mut Section<'_>) -> Database {
    let mut section = reader.table(top, "database");
    let default = Database::default();
    let engine = reader.get(&mut section, "engine", engine);
    let version = reader.get(&mut section, "version", |v| {
        value::whole(v, VERSIONS.0, VERSIONS.1)
    });
    let wait = reader.get(&mut section, "wait", value::positive_duration);
    let backup = backup(reader, &mut section);
    let image = reader.get(&mut section, "image", |v| {
        value::text(v, "\"postgres:16-alpine\"")
    });
    let volume = reader.get(&mut section, "volume", volume);
    let init = reader.get(&mut section, "init", |v| value::text(v, "\"initdb\""));
    let init = init.map(|folder| reader.dir().join(folder));
    reader.end(section);
    if image.is_some() && version.is_some() {
        let message =
            "`database.image` says which PostgreSQL it is, and so does `database.version`";
        let hint = "remove one of the two".to_owned();
        reader.collision(
            ("database.image", "database.version"),
            message.to_owned(),
            hint,
        );
    }
    if let (Some(Engine::Sqlite | Engine::Url(_)), Some(_)) = (&engine, version) {
        let message = "`database.version` has no effect on a database that Hotclub does not manage";
        let hint = "remove it, or write engine = \"postgres\"".to_owned();
        reader.warn("database.version", message.to_owned(), hint);
    }
    Database {
        engine: engine.unwrap_or(default.engine),
        version,
        wait: wait.unwrap_or(default.wait),
        backup,
        image,
        volume,
        init,
    }
}

fn volume(value: &DeValue<'_>) -> Result<String, Wrong> {
    const EXAMPLE: &str = "\"portfolio_postgres_data\"";
    let name = value::text(value, EXAMPLE)?;
    match super::runtime::is_volume_name(&name) {
        true => Ok(name),
        false => Err(Wrong::value(
            "the name of a volume, as `docker volume ls` shows it",
            "this is none",
        )
        .example(EXAMPLE)),
    }
}

/// What is only of a PostgreSQL in a container.
pub(super) fn no_container_without_containers(reader: &mut Reader, site: &Site) {
    let keys = ["database.image", "database.volume", "database.init"];
    let written: Vec<&str> = keys.into_iter().filter(|key| reader.has(key)).collect();
    for key in written {
        let message = match (site.runtime.kind, &site.database.engine) {
            (RuntimeKind::Host, _) => {
                format!("`{key}` is about a container, and this site has none")
            }
            (_, Engine::Sqlite | Engine::Url(_)) => {
                format!(
                    "`{key}` is about a PostgreSQL of Hotclub's, and this site uses another database"
                )
            }
            _ => continue,
        };
        let hint =
            "remove it, or write kind = \"docker\" under [runtime] and engine = \"postgres\"";
        reader.fault(key, message, Some(hint.to_owned()));
        return;
    }
}

fn backup(reader: &mut Reader, database: &mut Section<'_>) -> Backup {
    const EXAMPLE: &str = "\"mail -s backup admin\"";
    let mut section = reader.table(database, "backup");
    let default = Backup::default();
    let mut flag = |key, default| {
        let value = reader.get(&mut section, key, value::boolean);
        value.unwrap_or(default)
    };
    let daily = flag("daily", default.daily);
    let before_migrations = flag("before_migrations", default.before_migrations);
    let media = flag("media", default.media);
    let keep = reader.get(&mut section, "keep", |v| value::whole(v, 1, 1000));
    let command = reader.get(&mut section, "command", |v| value::text(v, EXAMPLE));
    let url = reader.get(&mut section, "url", web_url);
    reader.end(section);
    Backup {
        keep: keep.unwrap_or(default.keep),
        daily,
        before_migrations,
        media,
        command,
        url,
    }
}

fn web_url(value: &DeValue<'_>) -> Result<Secret, Wrong> {
    const EXAMPLE: &str = "\"https://hooks.example.com/T0/B0\"";
    let text = value::text(value, EXAMPLE)?;
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    match rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) {
        true => Ok(Secret::new(text)),
        false => Err(
            Wrong::value("a URL that begins with https:// or http://", "this is none")
                .example(EXAMPLE),
        ),
    }
}

fn engine(value: &DeValue<'_>) -> Result<Engine, Wrong> {
    const EXPECTED: &str = "\"postgres\", \"sqlite\" or a database URL";
    let text = value::text(value, "\"postgres\"")?;
    if let Some((scheme, rest)) = text.split_once("://") {
        let letters =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
        let good = !scheme.is_empty() && scheme.chars().all(letters) && !rest.is_empty();
        let example = "\"postgres://user:password@host:5432/name\"";
        return match good {
            true => Ok(Engine::Url(Secret::new(text))),
            false => Err(Wrong::value(EXPECTED, "this URL cannot be read").example(example)),
        };
    }
    match text.as_str() {
        "postgres" | "postgresql" => Ok(Engine::Postgres),
        "sqlite" | "sqlite3" => Ok(Engine::Sqlite),
        other => {
            let nearest = value::nearest(other, ["postgres", "sqlite"].into_iter());
            let wrong = Wrong::value(EXPECTED, "this is none of them");
            Err(match nearest {
                Some(nearest) => wrong.example(value::quoted(nearest)),
                None => wrong.hint(
                    "for another engine write its URL, or leave the key out: the settings decide",
                ),
            })
        }
    }
}
