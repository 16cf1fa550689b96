//! One line of a command: its words without wrappers (`exec`, `poetry run`, `sh -c`), and what it runs.

use crate::words;

/// What a line is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Runs {
    /// Gunicorn, or `hotclub serve`: the words are its options.
    Gunicorn,
    OtherServer(String),
    Runserver,
    Migrate,
    Collect,
    /// Another command of manage.py that ends by itself.
    Manage,
    /// A program that stays: Celery and its kin.
    Process,
    /// A loop until a port is open, or a pause.
    Wait,
    /// Shell around the rest: `set -e`, `fi`, `exec "$@"`.
    Nothing,
    Other,
}

impl Runs {
    pub(crate) fn is_server(&self) -> bool {
        matches!(
            self,
            Runs::Gunicorn | Runs::OtherServer(_) | Runs::Runserver
        )
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) words: Vec<String>,
    pub(crate) runs: Runs,
}

impl Line {
    /// A name for a program that stays.
    pub(crate) fn process_name(&self) -> String {
        let words: Vec<&str> = self.words.iter().map(|word| base(word)).collect();
        match words.as_slice() {
            [first, ..] if first.starts_with("python") => {
                let named = words
                    .iter()
                    .skip(1)
                    .find(|word| !word.starts_with('-') && **word != "manage.py");
                (*named.unwrap_or(first)).to_owned()
            }
            ["celery", rest @ ..] if rest.contains(&"beat") => "beat".to_owned(),
            [first, ..] => (*first).to_owned(),
            [] => "process".to_owned(),
        }
    }
}

/// The commands in a text, each with what it runs. `sh -c '…'` is looked into.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let mut found = Vec::new();
    for command in words::commands(text) {
        let words = split(&command);
        match inner_shell(&words) {
            Some(inner) => found.extend(lines(&inner)),
            None => found.extend(of_words(words)),
        }
    }
    found
}

/// Text that only a shell could split is split at its blanks: enough to see what it runs.
fn split(command: &str) -> Vec<String> {
    let by_blanks = || {
        command
            .split_whitespace()
            .map(|word| word.trim_matches('"').to_owned())
            .collect()
    };
    words::split(command).unwrap_or_else(by_blanks)
}

fn inner_shell(words: &[String]) -> Option<String> {
    let [shell, options @ .., inner] = words else {
        return None;
    };
    let is_shell = matches!(base(shell), "sh" | "bash" | "ash" | "dash" | "zsh");
    let is_command = options
        .last()
        .is_some_and(|option| option.starts_with('-') && option.ends_with('c'));
    (is_shell && is_command).then(|| inner.clone())
}

fn of_words(words: Vec<String>) -> Vec<Line> {
    let mut rest = words;
    let mut found = Vec::new();
    while let Some(first) = rest.first().cloned() {
        let skipped = wrapper(&rest);
        if skipped > 0 {
            rest.drain(..skipped.min(rest.len()));
            continue;
        }
        if is_waiter(base(&first))
            && let Some(at) = rest.iter().position(|word| word == "--")
        {
            let after = rest.split_off(at + 1);
            found.push(Line {
                words: rest,
                runs: Runs::Wait,
            });
            rest = after;
            continue;
        }
        break;
    }
    if !rest.is_empty() {
        found.push(judged(rest));
    }
    found
}

/// How many words only lead to the program: `exec`, `poetry run`, `NAME=value`.
fn wrapper(words: &[String]) -> usize {
    let word = |at: usize| words.get(at).map_or("", |word| base(word));
    match (word(0), word(1)) {
        ("exec" | "nohup" | "time" | "env" | "then" | "else" | "do", next) if !next.is_empty() => 1,
        ("poetry" | "pipenv" | "uv" | "pdm" | "hatch" | "rye", "run") => 2,
        ("newrelic-admin", "run-program") | ("ddtrace-run", _) => {
            1 + usize::from(word(0) == "newrelic-admin")
        }
        ("tini" | "dumb-init", "--") => 2,
        ("tini" | "dumb-init", _) => 1,
        (assignment, _) if is_assignment(assignment) => 1,
        _ => 0,
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| hotclub_config::env_file::is_name(name))
}

fn is_waiter(name: &str) -> bool {
    let name = name.trim_end_matches(".sh").trim_end_matches(".py");
    matches!(
        name,
        "wait-for-it"
            | "wait-for"
            | "wait_for_it"
            | "wait_for"
            | "dockerize"
            | "wait4ports"
            | "docker-compose-wait"
    )
}

fn judged(words: Vec<String>) -> Line {
    let program = words.first().map_or("", |word| base(word)).to_owned();
    let python = program == "python"
        || (program.starts_with("python")
            && program[6..].chars().all(|c| c.is_ascii_digit() || c == '.'));
    if python && words.get(1).is_some_and(|word| word == "-m") {
        return judged(words.into_iter().skip(2).collect());
    }
    if python || program == "manage.py" || program.starts_with("django-admin") {
        return manage(words, python);
    }
    let runs = match program.as_str() {
        "gunicorn" => {
            return Line {
                words: words.into_iter().skip(1).collect(),
                runs: Runs::Gunicorn,
            };
        }
        "hotclub" if words.get(1).is_some_and(|word| word == "serve") => {
            return Line {
                words: words.into_iter().skip(2).collect(),
                runs: Runs::Gunicorn,
            };
        }
        "uvicorn" | "daphne" | "hypercorn" | "granian" | "uwsgi" | "waitress-serve"
        | "mod_wsgi-express" | "bjoern" => Runs::OtherServer(program.clone()),
        "celery" | "rq" | "huey_consumer" | "huey_consumer.py" | "dramatiq" | "arq" | "taskiq"
        | "procrastinate" => Runs::Process,
        _ => shell(&program, &words),
    };
    Line { words, runs }
}

fn manage(words: Vec<String>, python: bool) -> Line {
    let behind = usize::from(python);
    let is_manage = words
        .get(behind)
        .is_some_and(|word| base(word) == "manage.py")
        || words
            .first()
            .is_some_and(|word| base(word).starts_with("django-admin"));
    if !is_manage {
        // `python worker.py` stays; `python -c …` and `python` alone do not.
        let script = words.get(1).is_some_and(|word| word.ends_with(".py"));
        let runs = if script { Runs::Process } else { Runs::Other };
        return Line { words, runs };
    }
    let sub = words.iter().skip(
        behind
            + usize::from(
                words
                    .get(behind)
                    .is_some_and(|word| base(word) == "manage.py"),
            ),
    );
    let sub = sub
        .skip_while(|word| base(word).starts_with("django-admin"))
        .find(|word| !word.starts_with('-'));
    const STAY: [&str; 14] = [
        "rqworker",
        "rqscheduler",
        "qcluster",
        "process_tasks",
        "run_huey",
        "db_worker",
        "rundramatiq",
        "celery",
        "runworker",
        "listen",
        "runapscheduler",
        "procrastinate",
        "tailwind",
        "steady_queue",
    ];
    let runs = match sub.map(String::as_str) {
        Some("migrate") => Runs::Migrate,
        Some("collectstatic") => Runs::Collect,
        Some("runserver" | "runserver_plus") => Runs::Runserver,
        Some("wait_for_db" | "wait_for_database") => Runs::Wait,
        Some("check" | "showmigrations") => Runs::Nothing,
        Some(sub) if STAY.contains(&sub) => Runs::Process,
        Some(_) => Runs::Manage,
        None => Runs::Other,
    };
    let words = match python {
        true => words,
        // No shell and no PATH of the project: the interpreter goes before the script.
        false => ["python".to_owned(), "manage.py".to_owned()]
            .into_iter()
            .chain(words.into_iter().skip(1))
            .collect(),
    };
    Line { words, runs }
}

fn shell(program: &str, words: &[String]) -> Runs {
    let waits = |word: &String| {
        let word = base(word);
        is_waiter(word)
            || matches!(word, "nc" | "ncat" | "netcat" | "pg_isready" | "telnet")
            || word.contains("/dev/tcp/")
    };
    match program {
        "while" | "until" | "if" | "for" | "!" if words.iter().any(waits) => Runs::Wait,
        "sleep" | "nc" | "pg_isready" | "ncat" | "netcat" => Runs::Wait,
        name if is_waiter(name) => Runs::Wait,
        "if" | "fi" | "then" | "else" | "elif" | "done" | "do" | "while" | "until" | "for"
        | "case" | "esac" | "{" | "}" | ";;" => Runs::Nothing,
        "set" | "echo" | "printf" | "true" | ":" | "cd" | "exit" | "export" | "[" | "test"
        | "shift" | "trap" | "return" | "umask" => Runs::Nothing,
        "$@" | "exec" => Runs::Nothing,
        name if is_assignment(name) => Runs::Nothing,
        _ => Runs::Other,
    }
}

/// The lines of a script that are no comments, with their numbers; a backslash at the end joins the next.
pub(crate) fn logical(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        let (kept, continues) = match trimmed.strip_suffix('\\') {
            Some(kept) => (kept.trim_end(), true),
            None => (trimmed, false),
        };
        match found.last_mut() {
            Some((_, last)) if open => {
                last.push(' ');
                last.push_str(kept);
            }
            _ if trimmed.is_empty() || trimmed.starts_with('#') => continue,
            _ => found.push((at + 1, kept.to_owned())),
        }
        open = continues;
    }
    found
}

/// `module:attribute`, as servers take it.
pub(crate) fn is_app(word: &str) -> bool {
    let is_dotted = |text: &str| {
        !text.is_empty()
            && text.split('.').all(|part| {
                part.starts_with(|c: char| c.is_alphabetic() || c == '_')
                    && part.chars().all(|c| c.is_alphanumeric() || c == '_')
            })
    };
    word.split_once(':')
        .is_some_and(|(module, app)| is_dotted(module) && is_dotted(app))
}

/// Where another server listens, by the options that most have: host and port, bind, or a socket.
pub(crate) fn bind(words: &[String]) -> Option<String> {
    let value = |names: &[&str]| {
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let (name, inline) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            if names.contains(&name) {
                return inline.or_else(|| words.peek().map(|next| (*next).clone()));
            }
        }
        None
    };
    let whole = value(&[
        "--http",
        "--socket",
        "--http-socket",
        "--bind",
        "-b",
        "--listen",
    ]);
    let socket = value(&["--uds", "-u"]).map(|path| format!("unix:{path}"));
    let port = value(&["--port", "-p"]).map(|port| format!("0.0.0.0:{port}"));
    whole.or(socket).or(port)
}

fn base(word: &str) -> &str {
    match word.contains("://") {
        true => word,
        false => word.rsplit('/').next().unwrap_or(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_known_by_what_it_runs_whatever_is_wrapped_around_it() {
        for (text, runs) in [
            ("gunicorn a.wsgi", Runs::Gunicorn),
            (
                "poetry run gunicorn a.wsgi -b 0.0.0.0:$PORT",
                Runs::Gunicorn,
            ),
            ("sh -c 'exec /venv/bin/gunicorn a.wsgi'", Runs::Gunicorn),
            ("python3.11 -m gunicorn a.wsgi", Runs::Gunicorn),
            (
                "DEBUG=0 uvicorn a.asgi:application",
                Runs::OtherServer("uvicorn".into()),
            ),
            (
                "python src/manage.py runserver 0.0.0.0:8000",
                Runs::Runserver,
            ),
            ("./manage.py migrate --noinput", Runs::Migrate),
            ("python manage.py collectstatic --noinput", Runs::Collect),
            ("python manage.py loaddata x", Runs::Manage),
            ("celery -A a worker", Runs::Process),
            ("python manage.py rqworker", Runs::Process),
            ("while ! nc -z $DB_HOST $DB_PORT", Runs::Wait),
            ("exec \"$@\"", Runs::Nothing),
            ("chown -R app /x", Runs::Other),
        ] {
            let found = lines(text);
            assert_eq!(
                found.last().map(|line| line.runs.clone()),
                Some(runs),
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn lists_of_commands_are_taken_apart_and_waits_come_off_the_front() {
        let runs = |text: &str| {
            lines(text)
                .into_iter()
                .map(|line| line.runs)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            runs("bash -c \"python manage.py migrate && gunicorn a.wsgi\""),
            [Runs::Migrate, Runs::Gunicorn]
        );
        assert_eq!(
            runs("./wait-for-it.sh db:5432 -t 60 -- gunicorn a.wsgi"),
            [Runs::Wait, Runs::Gunicorn]
        );
        assert_eq!(
            runs("while ! nc -z db 5432; do sleep 0.1; done"),
            [Runs::Wait, Runs::Wait, Runs::Nothing]
        );
    }
}
