//! Gunicorn's command line: `gunicorn portfolio.wsgi:application --bind 0.0.0.0:8000 -w 3`. It stands in Compose
//! files, Procfiles, Dockerfiles and scripts.

use std::collections::VecDeque;

use super::{Setting, take};
use crate::draft::Draft;
use crate::ledger::{Id, Ledger, Place};

/// What a command runs, as far as a site's server is concerned.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// `unix:/run/x.sock`, `0.0.0.0:8000`: where the app was reached.
    pub(crate) bind: Vec<String>,
    /// The config files that it names.
    pub(crate) config: Vec<String>,
}

/// Options with a letter of their own.
const SHORT: [(char, &str); 17] = [
    ('b', "bind"),
    ('w', "workers"),
    ('k', "worker_class"),
    ('t', "timeout"),
    ('c', "config"),
    ('e', "raw_env"),
    ('u', "user"),
    ('g', "group"),
    ('m', "umask"),
    ('p', "pidfile"),
    ('n', "proc_name"),
    ('D', "daemon"),
    ('R', "capture_output"),
    ('v', "version"),
    ('h', "help"),
    ('C', "check_config"),
    ('z', "spew"),
];

/// Options that take no value.
const FLAGS: [&str; 15] = [
    "preload_app",
    "reload",
    "daemon",
    "check_config",
    "print_config",
    "capture_output",
    "sendfile",
    "reuse_port",
    "spew",
    "initgroups",
    "proxy_protocol",
    "enable_stdio_inheritance",
    "log_syslog",
    "version",
    "help",
];

/// The option's name in the config file, where the two differ.
fn setting_name(option: &str) -> String {
    let name = match option {
        "access-logfile" => "accesslog",
        "access-logformat" => "access_log_format",
        "error-logfile" | "log-file" => "errorlog",
        "log-level" => "loglevel",
        "env" => "raw_env",
        "keep-alive" => "keepalive",
        "preload" => "preload_app",
        "pid" => "pidfile",
        "name" => "proc_name",
        other => other,
    };
    name.replace('-', "_")
}

/// Reads the words behind `gunicorn`. Every option becomes an entry below `parent`.
pub(crate) fn read_command(
    words: &[String],
    parent: Id,
    place: &Place,
    ledger: &mut Ledger,
    draft: &mut Draft,
) -> Command {
    let mut rest: VecDeque<&str> = words.iter().map(String::as_str).collect();
    let mut command = Command::default();
    while let Some(word) = rest.pop_front() {
        let Some((name, value)) = option(word) else {
            app(word, parent, place, ledger, draft);
            continue;
        };
        let id = ledger.enter(
            Some(parent),
            place,
            format!("gunicorn {}", word.split('=').next().unwrap_or(word)),
        );
        let setting = match value {
            Some(value) => Setting::Text(value),
            None if FLAGS.contains(&name.as_str()) => Setting::Flag(true),
            None => match rest.pop_front() {
                Some(value) => Setting::Text(value.to_owned()),
                None => {
                    ledger.open(id, "its value is missing", "look at the command's end");
                    continue;
                }
            },
        };
        match (name.as_str(), setting.text()) {
            ("bind", Some(bind)) => command.bind.push(bind.to_owned()),
            ("config", Some(file)) => command.config.push(file.to_owned()),
            _ => {}
        }
        // One entry each: a value may hold commas.
        let setting = match (name.as_str(), setting) {
            ("raw_env", Setting::Text(entry)) => Setting::List(vec![entry]),
            (_, setting) => setting,
        };
        take(&name, &setting, id, ledger, draft);
    }
    command
}

/// `--name`, `--name=value`, `-w`, `-w4`; `None` for a word that is no option.
fn option(word: &str) -> Option<(String, Option<String>)> {
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        return Some((setting_name(name), value));
    }
    let mut letters = word.strip_prefix('-')?.chars();
    let letter = letters.next()?;
    let rest = letters.as_str();
    let known = SHORT.iter().find(|(short, _)| *short == letter);
    let name = known.map_or_else(|| letter.to_string(), |(_, name)| (*name).to_owned());
    let value = (!rest.is_empty()).then(|| rest.strip_prefix('=').unwrap_or(rest).to_owned());
    Some((name, value))
}

fn app(word: &str, parent: Id, place: &Place, ledger: &mut Ledger, draft: &mut Draft) {
    let id = ledger.enter(Some(parent), place, format!("gunicorn {word}"));
    let is_python = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '(' | ')');
    if !word.chars().all(is_python) {
        return ledger.open(
            id,
            "this names no app",
            "write [app] wsgi = \"project.wsgi:application\"",
        );
    }
    draft.table("app").set("wsgi", word);
    ledger.taken(id, "[app] wsgi");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Fate;

    fn read(text: &str) -> (Command, String, Vec<(String, Fate)>) {
        let (mut ledger, mut draft) = (Ledger::default(), Draft::default());
        let place = Place {
            file: "f".into(),
            line: 1,
        };
        let parent = ledger.enter(None, &place, "command".into());
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let command = read_command(&words, parent, &place, &mut ledger, &mut draft);
        let items = ledger
            .close()
            .into_iter()
            .map(|item| (item.what, item.fate))
            .collect();
        (command, draft.written(), items)
    }

    #[test]
    fn options_in_all_their_spellings_become_keys() {
        let (command, toml, items) = read(
            "portfolio.wsgi:application --bind 0.0.0.0:8000 -w3 --threads=2 -t 60 --preload -k gevent --max-requests 500 --what x",
        );
        assert_eq!(command.bind, ["0.0.0.0:8000"]);
        for line in [
            "wsgi         = \"portfolio.wsgi:application\"",
            "workers      = 3",
            "threads      = 2",
            "timeout      = \"60s\"",
            "max_requests = 500",
        ] {
            assert!(toml.contains(line), "{toml}");
        }
        let unsupported: Vec<_> = items
            .iter()
            .filter(|(_, fate)| *fate == Fate::Unsupported)
            .collect();
        assert_eq!(unsupported.len(), 2, "{items:?}");
        assert_eq!(items.len(), 9, "{items:?}");
    }
}
