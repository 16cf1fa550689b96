//! `[app]`, `[[process]]` and `[release]`: what runs.

use std::path::PathBuf;

use toml::de::DeValue;

use super::reader::{Reader, Section};
use super::top::site_name;
use super::tune::tune;
use crate::model::{App, Process, Python, Release};
use crate::value::{self, Wrong};

/// Threads of one worker share one interpreter lock: more only wait for each other.
const MOST_THREADS: u32 = 64;
/// More workers than this are a slip: the kernel's queue and PostgreSQL would suffer first.
const MOST_WORKERS: u32 = 1_024;

pub(super) fn app(reader: &mut Reader, top: &mut Section<'_>) -> App {
    let mut table = reader.table(top, "app");
    let section = &mut table;
    let default = App::default();
    let app = App {
        dir: path(reader, section, "dir", "\"src\""),
        wsgi: reader.get(section, "wsgi", value::application),
        asgi: reader.get(section, "asgi", value::application),
        settings: reader.get(section, "settings", value::module),
        python: python(reader, section),
        dependencies: path(reader, section, "dependencies", "\"poetry.lock\""),
        workers: reader.get(section, "workers", |v| value::whole(v, 1, MOST_WORKERS)),
        threads: reader
            .get(section, "threads", |v| value::whole(v, 1, MOST_THREADS))
            .unwrap_or(default.threads),
        preload: reader
            .get(section, "preload", value::boolean)
            .unwrap_or(default.preload),
        timeout: reader
            .get(section, "timeout", value::duration)
            .map_or(default.timeout, limit),
        graceful_timeout: reader
            .get(section, "graceful_timeout", value::duration)
            .unwrap_or(default.graceful_timeout),
        queue_timeout: reader
            .get(section, "queue_timeout", value::positive_duration)
            .unwrap_or(default.queue_timeout),
        max_queue: reader
            .get(section, "max_queue", |v| value::whole(v, 1, u32::MAX))
            .unwrap_or(default.max_queue),
        max_requests: count(reader, section, "max_requests").unwrap_or(default.max_requests),
        max_requests_jitter: count(reader, section, "max_requests_jitter")
            .unwrap_or(default.max_requests_jitter),
        max_memory: reader.get(section, "max_memory", value::positive_size),
        max_lifetime: reader
            .get(section, "max_lifetime", value::duration)
            .map_or(default.max_lifetime, limit),
        reload: reader
            .get(section, "reload", value::boolean)
            .unwrap_or(default.reload),
        retry: reader
            .get(section, "retry", value::boolean)
            .unwrap_or(default.retry),
        tune: tune(reader, section),
    };
    both_interfaces(reader, &app);
    reader.end(table);
    app
}

fn limit(duration: std::time::Duration) -> Option<std::time::Duration> {
    (!duration.is_zero()).then_some(duration)
}

fn count(reader: &mut Reader, section: &mut Section<'_>, key: &'static str) -> Option<u32> {
    reader.get(section, key, |value| value::whole(value, 0, u32::MAX))
}

fn both_interfaces(reader: &mut Reader, app: &App) {
    if app.wsgi.is_some() && app.asgi.is_some() {
        let message = "an app is either WSGI or ASGI".to_owned();
        reader.collision(
            ("app.wsgi", "app.asgi"),
            message,
            "keep one of `wsgi` and `asgi`".to_owned(),
        );
    }
}

/// A path, joined to the folder of the file.
pub(super) fn path(
    reader: &mut Reader,
    section: &mut Section<'_>,
    key: &'static str,
    example: &str,
) -> Option<PathBuf> {
    let text = reader.get(section, key, |value| value::text(value, example))?;
    Some(reader.dir().join(text))
}

fn python(reader: &mut Reader, section: &mut Section<'_>) -> Option<Python> {
    let python = reader.get(section, "python", python_value)?;
    Some(match python {
        // A bare word would be looked up on PATH; only what holds a slash is a file of the project.
        Python::Path(path) if path.components().count() > 1 => {
            Python::Path(reader.dir().join(path))
        }
        other => other,
    })
}

fn python_value(value: &DeValue<'_>) -> Result<Python, Wrong> {
    const EXPECTED: &str = "a Python version or the path of an interpreter";
    if let DeValue::Float(float) = value {
        return Err(Wrong::kind(value, EXPECTED, &value::quoted(float.as_str())));
    }
    let text = value
        .as_str()
        .ok_or_else(|| Wrong::kind(value, EXPECTED, "\"3.11\""))?;
    let text = value::text(value, "\"3.11\"").map(|_| text)?;
    let parts: Vec<&str> = text.split('.').collect();
    let numbers = parts.iter().all(|part| part.parse::<u16>().is_ok());
    if !numbers {
        let looks_like_version = text
            .starts_with(|c: char| c.is_ascii_digit() || matches!(c, '<' | '>' | '=' | '~' | '^'));
        return match looks_like_version && !text.contains('/') {
            true => Err(Wrong::value(EXPECTED, "this is no version").example("\"3.11\"")),
            false => Ok(Python::Path(PathBuf::from(text))),
        };
    }
    let old = parts.first() != Some(&"3")
        || parts
            .get(1)
            .is_some_and(|minor| minor.parse::<u16>().is_ok_and(|minor| minor < 9));
    match old || parts.len() > 3 {
        true => {
            Err(Wrong::value("Python 3.9 or later", "this cannot run the app").example("\"3.11\""))
        }
        false => Ok(Python::Version(text.to_owned())),
    }
}

pub(super) fn processes(reader: &mut Reader, top: &mut Section<'_>) -> Vec<Process> {
    let mut processes: Vec<Process> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    for mut section in reader.tables(top, "process") {
        let name = reader.require(&mut section, "name", site_name, "\"celery\"");
        let example = "\"celery -A portfolio worker\"";
        let command = reader.require(
            &mut section,
            "command",
            |v| value::text(v, example),
            example,
        );
        let key = section.key("name");
        reader.end(section);
        let (Some(name), Some(command)) = (name, command) else {
            continue;
        };
        if let Some(earlier) = processes.iter().position(|process| process.name == name) {
            let message = format!("two processes are named `{name}`");
            reader.collision(
                (&keys[earlier], &key),
                message,
                "give each a name of its own".to_owned(),
            );
        }
        keys.push(key);
        processes.push(Process { name, command });
    }
    processes
}

pub(super) fn release(reader: &mut Reader, top: &mut Section<'_>) -> Release {
    const EXAMPLE: &str = "[\"python manage.py migrate --noinput\"]";
    let mut section = reader.table(top, "release");
    let command = reader.list(&mut section, "command", EXAMPLE, |value| {
        value::text(value, EXAMPLE)
    });
    reader.end(section);
    Release { command }
}
