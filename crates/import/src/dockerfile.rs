//! Dockerfiles: what the image installs, sets and starts, as far as the site on the host needs it.

use std::path::Path;

use crate::launch::{self, At};
use crate::ledger::{Id, Place};
use crate::{Input, Reading, shelf, words};

pub(crate) struct File<'a> {
    pub(crate) text: &'a str,
    pub(crate) shown: &'a str,
    /// The build's context.
    pub(crate) context: &'a Path,
}

/// What the service says in the image's place.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Overridden {
    pub(crate) command: bool,
    pub(crate) entrypoint: bool,
}

/// A Dockerfile among the inputs.
pub(crate) fn read_input(input: &Input, reading: &mut Reading<'_>) {
    if reading
        .stack
        .dockerfiles
        .contains(&shelf::relative(reading.options.dir, &input.path))
    {
        // The Compose file led here already.
        return;
    }
    let context = input.path.parent().unwrap_or(Path::new("/"));
    let file = File {
        text: &input.text,
        shown: &input.shown,
        context,
    };
    let serves = read(&file, Overridden::default(), reading);
    reading.stack.has_app |= serves;
}

/// Reads a Dockerfile; whether its own command serves the app.
pub(crate) fn read(file: &File<'_>, overridden: Overridden, reading: &mut Reading<'_>) -> bool {
    reading.stack.dockerfiles.push(file.shown.to_owned());
    let mut serves = false;
    for instruction in instructions(file.text) {
        let place = Place {
            file: file.shown.to_owned(),
            line: instruction.line,
        };
        let id = reading.ledger.enter(None, &place, instruction.name.clone());
        let at = At {
            id,
            place: &place,
            dir: file.context,
        };
        let rest = instruction.rest.as_str();
        match instruction.name.as_str() {
            "FROM" => from(rest, id, reading),
            "RUN" => run(rest, id, reading),
            "ENV" => env(rest, id, reading),
            "CMD" | "ENTRYPOINT" if is_overridden(&instruction.name, overridden) => {
                reading.ledger.taken(id, "the Compose file says another");
            }
            "CMD" => serves |= launch::take(&as_command(rest), &at, reading).serves,
            "ENTRYPOINT" => serves |= entrypoint(&as_command(rest), &at, reading),
            "COPY" | "ADD" | "WORKDIR" | "ARG" | "LABEL" | "SHELL" | "MAINTAINER"
            | "STOPSIGNAL" | "USER" | "VOLUME" => {
                reading
                    .ledger
                    .taken(id, "not needed: the project's folder is run as it is");
            }
            "EXPOSE" => reading
                .ledger
                .taken(id, "not needed: between front and app there is no port"),
            "HEALTHCHECK" => reading
                .ledger
                .taken(id, "a worker that hangs or dies is replaced"),
            _ => {}
        }
    }
    serves
}

fn is_overridden(name: &str, overridden: Overridden) -> bool {
    match name {
        "CMD" => overridden.command,
        _ => overridden.entrypoint,
    }
}

/// What the image starts with, by the last CMD.
pub(crate) fn command(text: &str) -> Option<String> {
    let instructions = instructions(text);
    let last = |name: &str| instructions.iter().rev().find(|one| one.name == name);
    let command = last("CMD").or_else(|| last("ENTRYPOINT"))?;
    Some(as_command(&command.rest))
}

struct Instruction {
    line: usize,
    name: String,
    rest: String,
}

/// Instructions with their continued lines and here-documents.
fn instructions(text: &str) -> Vec<Instruction> {
    let mut found: Vec<Instruction> = Vec::new();
    let mut open = false;
    let mut document: Option<String> = None;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if let Some(end) = &document {
            let ends = trimmed == end;
            if let Some(last) = found.last_mut().filter(|_| !ends) {
                last.rest.push('\n');
                last.rest.push_str(trimmed);
            }
            if ends {
                document = None;
            }
            continue;
        }
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let (kept, continues) = match trimmed.strip_suffix('\\') {
            Some(kept) => (kept.trim_end(), true),
            None => (trimmed, false),
        };
        match found.last_mut() {
            Some(last) if open => {
                last.rest.push(' ');
                last.rest.push_str(kept);
            }
            _ => {
                let (name, rest) = kept.split_once([' ', '\t']).unwrap_or((kept, ""));
                let (name, rest) = (name.to_ascii_uppercase(), rest.trim().to_owned());
                document = here_document(&rest);
                found.push(Instruction {
                    line: at + 1,
                    name,
                    rest,
                });
            }
        }
        open = continues;
    }
    found
}

fn here_document(rest: &str) -> Option<String> {
    let (_, word) = rest.split_once("<<")?;
    let word = word.trim_start_matches('-').split_whitespace().next()?;
    let word = word.trim_matches(['"', '\'']);
    (!word.is_empty()).then(|| word.to_owned())
}

/// `["a", "b c"]` and `a 'b c'` alike.
fn as_command(rest: &str) -> String {
    let inner = rest
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let Some(inner) = inner else {
        return rest.to_owned();
    };
    let mut words = Vec::new();
    for part in inner.split(',') {
        let part = part.trim();
        let Some(word) = part
            .strip_prefix('"')
            .and_then(|part| part.strip_suffix('"'))
        else {
            return rest.to_owned();
        };
        words.push(word.replace("\\\"", "\"").replace("\\\\", "\\"));
    }
    words::joined(&words)
}

fn from(rest: &str, id: Id, reading: &mut Reading<'_>) {
    let image = rest
        .split_whitespace()
        .find(|word| !word.starts_with("--"))
        .unwrap_or_default();
    let tag = image
        .strip_prefix("python:")
        .or_else(|| image.rsplit_once("/python:").map(|(_, tag)| tag));
    let version: String = tag
        .unwrap_or_default()
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    match version.trim_end_matches('.') {
        "" => reading.ledger.taken(id, "no image is needed: the host's own Python runs the app"),
        version => reading.ledger.taken(
            id,
            format!(
                "no image is needed: the host's own Python runs the app; where several are installed, [app] python = \
                 \"{version}\" chooses this one"
            ),
        ),
    }
}

fn run(rest: &str, id: Id, reading: &mut Reading<'_>) {
    for command in words::commands(rest) {
        let words: Vec<&str> = command
            .split_whitespace()
            .filter(|word| !word.starts_with("--mount"))
            .collect();
        one_command(&words, id, reading);
    }
}

fn one_command(words: &[&str], id: Id, reading: &mut Reading<'_>) {
    let has = |wanted: &str| words.iter().any(|word| word.starts_with(wanted));
    let ledger = &mut reading.ledger;
    match words {
        ["poetry", "install" | "sync", ..] if !(has("--only") || has("--without") || has("--no-dev")) => {
            ledger.mended(id, "development dependencies were installed in production: Hotclub leaves them out");
        }
        ["pipenv", "install" | "sync", ..] if has("--dev") || words.contains(&"-d") => {
            ledger.mended(id, "development dependencies were installed in production: Hotclub leaves them out");
        }
        ["uv", "sync", ..] if !(has("--no-dev") || has("--no-group")) => {
            ledger.mended(id, "development dependencies were installed in production: Hotclub leaves them out");
        }
        ["poetry" | "pipenv" | "uv" | "pdm" | "pip" | "pip3" | "python" | "python3", ..] if !has("manage.py") => {
            ledger.taken(id, "the dependencies are installed from the lock file, into a virtualenv");
        }
        ["apk" | "apt-get" | "apt", ..] => ledger.open(
            id,
            "packages of the image's system are not installed on the host",
            "most wheels need none; where an import fails for a missing library, install its package",
        ),
        ["npm" | "yarn" | "pnpm" | "npx" | "bun", ..] => ledger.unsupported(
            id,
            "nothing is built by Node",
            "build it before a release, or put the command under [release] command",
        ),
        [] => {}
        _ if has("manage.py") => ledger.taken(id, "static files are collected, and migrations run, once a release"),
        _ => ledger.taken(id, "it prepares the image, which is not needed"),
    }
}

fn env(rest: &str, id: Id, reading: &mut Reading<'_>) {
    const OF_IMAGES: [&str; 8] = [
        "PYTHON", "PIP_", "POETRY_", "UV_", "PIPENV_", "DEBIAN_", "PATH", "LANG",
    ];
    let pairs = words::split(rest).unwrap_or_default();
    let pairs: Vec<(String, String)> = match pairs.first().is_some_and(|first| first.contains('='))
    {
        true => pairs
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect(),
        // The old shape: ENV NAME value.
        false => rest
            .split_once(' ')
            .map(|(n, v)| (n.to_owned(), v.trim().to_owned()))
            .into_iter()
            .collect(),
    };
    if pairs.is_empty() {
        return reading.ledger.open(
            id,
            "its value holds variables of the build",
            "write it under [env] set if the settings read it",
        );
    }
    for (name, value) in pairs {
        let is_path = value.starts_with('/');
        if OF_IMAGES.iter().any(|start| name.starts_with(start))
            || is_path
            || !hotclub_config::env_file::is_name(&name)
        {
            reading.ledger.taken(id, format!("{name} is for the image"));
        } else {
            reading.draft.table("env").field("set", &name, &value);
            reading.stack.wrote_secret |= crate::environment::is_secret(&name);
            reading.ledger.taken(id, format!("[env] set: {name}"));
        }
    }
}

/// A script is looked into: it is where the waiting and the migrating is.
fn entrypoint(command: &str, at: &At<'_>, reading: &mut Reading<'_>) -> bool {
    let script = words::split(command)
        .unwrap_or_default()
        .into_iter()
        .find(|word| word.ends_with(".sh"));
    let Some(script) = script else {
        return launch::take(command, at, reading).serves;
    };
    let found = launch::places(&script, at.dir, reading)
        .into_iter()
        .find_map(|path| {
            let text = reading.options.shelf.read(&path)?;
            Some((path, text))
        });
    let Some((path, text)) = found else {
        reading.ledger.open(
            at.id,
            format!("the script {script} was not found beside the Dockerfile"),
            "look what it does: waiting, migrating and collecting static files need no script",
        );
        return false;
    };
    reading.ledger.taken(
        at.id,
        "no script is needed before the start; what it did is below",
    );
    let shown = shelf::relative(reading.options.dir, &path);
    launch::script(&text, &shown, at.dir, at.id, reading).serves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_read_over_continued_lines_and_here_documents() {
        let text = "# x\nFROM python:3.11-alpine AS a\nRUN apk add \\\n  # why\n  gcc\nRUN <<EOF\npip install x\nEOF\nCMD [\"gunicorn\", \"a.wsgi\"]\n";
        let found: Vec<_> = instructions(text)
            .into_iter()
            .map(|i| (i.line, i.name, i.rest))
            .collect();
        let of = |line, name: &str, rest: &str| (line, name.to_owned(), rest.to_owned());
        assert_eq!(
            found,
            [
                of(2, "FROM", "python:3.11-alpine AS a"),
                of(3, "RUN", "apk add gcc"),
                of(6, "RUN", "<<EOF\npip install x"),
                of(9, "CMD", "[\"gunicorn\", \"a.wsgi\"]"),
            ]
        );
        assert_eq!(command(text).as_deref(), Some("gunicorn a.wsgi"));
    }
}
