//! What a command line or a script starts: the app's server, a worker beside it, a step of a release, or a wait that
//! Hotclub does better. Compose's `command`, Procfiles, Dockerfiles and entrypoint scripts all end here.

mod line;

pub(crate) use line::{Line, Runs, lines};

use std::path::{Path, PathBuf};

use crate::draft::Keys;
use crate::gunicorn;
use crate::ledger::{Fate, Id, Place};
use crate::{ImportError, Input, Reading, shelf, words};

/// What came of a whole command.
#[derive(Debug, Default)]
pub(crate) struct Launched {
    /// The app's own server is in it.
    pub(crate) serves: bool,
    /// Where that server listened.
    pub(crate) bind: Vec<String>,
}

/// Where a command stands.
pub(crate) struct At<'a> {
    pub(crate) id: Id,
    pub(crate) place: &'a Place,
    /// The folder that its relative paths start at.
    pub(crate) dir: &'a Path,
}

/// Takes over a command of the app's container or of its web process.
pub(crate) fn take(text: &str, at: &At<'_>, reading: &mut Reading<'_>) -> Launched {
    let mut launched = Launched::default();
    for line in line::lines(text) {
        one(&line, at, reading, &mut launched);
    }
    launched
}

fn one(line: &Line, at: &At<'_>, reading: &mut Reading<'_>, launched: &mut Launched) {
    let ledger = &mut reading.ledger;
    match &line.runs {
        Runs::Gunicorn => {
            launched.serves = true;
            reading.stack.has_app = true;
            ledger.taken(at.id, "the app server is Hotclub's own");
            let command = gunicorn::read_command(&line.words, at.id, at.place, ledger, &mut reading.draft);
            launched.bind.extend(command.bind);
            for file in command.config {
                config_file(&file, at, reading);
            }
        }
        Runs::OtherServer(name) => {
            launched.serves = true;
            reading.stack.has_app = true;
            other_server(name, &line.words, at, reading);
            launched.bind.extend(line::bind(&line.words));
        }
        Runs::Runserver => {
            launched.serves = true;
            reading.stack.has_app = true;
            ledger.mended(at.id, "runserver is for development: Hotclub's app server takes its place");
            launched.bind.extend(line.words.iter().find(|word| word.contains(':')).cloned());
        }
        Runs::Migrate => ledger.mended(at.id, "migrations run once a release, before anything is served, not in every container that starts"),
        Runs::Collect => ledger.taken(at.id, "static files are collected once a release"),
        Runs::Manage => {
            release_step(line, reading);
            reading.ledger.taken(at.id, format!("[release] command: `{}`", shown(&line.words)));
        }
        Runs::Process => {
            let name = line.process_name();
            process(&name, &words::joined(&line.words), at.id, reading);
        }
        Runs::Wait => ledger.mended(
            at.id,
            "a wait for an open port, without an end: Hotclub waits until the database answers a query, for as long as [database] wait says",
        ),
        Runs::Nothing => ledger.taken(at.id, "of itself it does nothing that Hotclub would have to do"),
        Runs::Other => ledger.unsupported(
            at.id,
            format!("Hotclub does not run `{}`", shown(&line.words)),
            "put it under [release] command if a release needs it",
        ),
    }
}

/// As much of a command as holds no value.
fn shown(words: &[String]) -> String {
    let plain = |word: &&String| !word.contains('=') && !word.contains("://");
    let first = words.iter().take_while(plain).take(4);
    first.cloned().collect::<Vec<_>>().join(" ")
}

fn other_server(name: &str, words: &[String], at: &At<'_>, reading: &mut Reading<'_>) {
    let app = words.iter().find(|word| {
        word.contains(':') && !word.contains('/') && !word.starts_with('-') && line::is_app(word)
    });
    match app {
        Some(app) if app.contains("asgi") => reading.ledger.mended(
            at.id,
            format!("{name} served {app}: the same views are served by WSGI, whose app the settings name"),
        ),
        Some(app) => {
            reading.draft.table("app").set("wsgi", app.as_str());
            reading.ledger.taken(at.id, format!("{name} served {app}: [app] wsgi"));
        }
        None => reading.ledger.taken(at.id, format!("Hotclub's app server takes the place of {name}")),
    }
    if words.iter().any(|word| word.starts_with('-')) {
        reading.ledger.unsupported(
            at.id,
            format!("the options of {name} are not read"),
            "workers, threads and timeouts stand under [app]",
        );
    }
}

fn release_step(line: &Line, reading: &mut Reading<'_>) {
    let release = reading.draft.table("release");
    release.add("command", "python manage.py migrate --noinput");
    release.add("command", words::joined(&line.words));
}

/// A program beside the app.
pub(crate) fn process(name: &str, command: &str, id: Id, reading: &mut Reading<'_>) {
    let name = crate::report::site_name(name);
    let entry = Keys::default()
        .with("name", name.as_str())
        .with("command", command);
    match reading.draft.push("process", entry) {
        true => reading.ledger.taken(id, format!("[[process]] {name}")),
        false => reading.ledger.open(
            id,
            format!("two processes would be called {name}"),
            "add it to hotclub.toml under a name of its own",
        ),
    }
}

/// A file that `gunicorn --config` names.
fn config_file(file: &str, at: &At<'_>, reading: &mut Reading<'_>) {
    let name = file.strip_prefix("file:").unwrap_or(file);
    let found = places(name, at.dir, reading).into_iter().find_map(|path| {
        let text = reading.options.shelf.read(&path)?;
        Some((path, text))
    });
    match found {
        Some((path, text)) => {
            let shown = shelf::relative(reading.options.dir, &path);
            gunicorn::read_file(
                &text,
                &shown,
                at.id,
                &mut reading.ledger,
                &mut reading.draft,
            );
        }
        None => reading.ledger.open(
            at.id,
            format!("Gunicorn's config file {name} was not found"),
            "name it on the command line, too: hotclub import … gunicorn.conf.py",
        ),
    }
}

/// Where a file may lie that a command in a container names.
pub(crate) fn places(name: &str, dir: &Path, reading: &Reading<'_>) -> Vec<PathBuf> {
    let beside = shelf::joined(dir, name.trim_start_matches('/'));
    let last = Path::new(name).file_name().map(|name| dir.join(name));
    let mounted = reading.stack.on_host(Path::new(name));
    mounted.into_iter().chain([beside]).chain(last).collect()
}

/// An entrypoint script: each of its lines is an entry.
pub(crate) fn script(
    text: &str,
    file: &str,
    dir: &Path,
    parent: Id,
    reading: &mut Reading<'_>,
) -> Launched {
    let mut launched = Launched::default();
    for (number, line) in line::logical(text) {
        let place = Place {
            file: file.to_owned(),
            line: number,
        };
        let lines = line::lines(&line);
        let what = lines
            .first()
            .map_or_else(|| "script".to_owned(), |line| shown(&line.words));
        let id = reading
            .ledger
            .enter(Some(parent), &place, format!("{file}: {what}"));
        let at = At {
            id,
            place: &place,
            dir,
        };
        for line in &lines {
            one(line, &at, reading, &mut launched);
        }
    }
    launched
}

/// `gunicorn.conf.py` among the inputs.
pub(crate) fn gunicorn_file(input: &Input, reading: &mut Reading<'_>) {
    let place = Place {
        file: input.shown.clone(),
        line: 1,
    };
    let parent = reading.ledger.enter(None, &place, input.shown.clone());
    let bind = gunicorn::read_file(
        &input.text,
        &input.shown,
        parent,
        &mut reading.ledger,
        &mut reading.draft,
    );
    reading.stack.has_app = true;
    reading.stack.app_at.extend(bind);
}

/// `--command`.
pub(crate) fn given_command(reading: &mut Reading<'_>) -> Result<(), ImportError> {
    let Some(command) = reading
        .options
        .command
        .as_deref()
        .filter(|_| !reading.stack.took_command)
    else {
        return Ok(());
    };
    reading.stack.took_command = true;
    let lines = line::lines(command);
    if lines.is_empty() {
        return Err(ImportError::Command {
            reason: "it is empty",
        });
    }
    if !lines.iter().any(|line| line.runs.is_server()) {
        return Err(ImportError::Command {
            reason: "it starts no app server that Hotclub knows",
        });
    }
    let place = Place {
        file: "--command".to_owned(),
        line: 1,
    };
    let id = reading.ledger.enter(None, &place, "command".to_owned());
    let dir = reading.options.dir.to_path_buf();
    let launched = take(
        command,
        &At {
            id,
            place: &place,
            dir: &dir,
        },
        reading,
    );
    reading.stack.app_at.extend(launched.bind);
    Ok(())
}

/// Nothing said what the app's server is; it is reported once.
pub(crate) fn no_server(what: &str, reading: &mut Reading<'_>) {
    let hint = "Hotclub finds manage.py and the WSGI app by itself; `hotclub inspect` shows them"
        .to_owned();
    reading.ledger.note(
        Fate::Taken,
        what,
        "the image's own command starts the app: Hotclub's app server takes its place",
        Some(hint),
    );
}
