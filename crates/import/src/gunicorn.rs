//! Gunicorn's settings, from its command line or its config file, as keys of `hotclub.toml`. Which of them have an
//! equal is the table below; docs/from-gunicorn.md has the same for people.

mod command;
mod file;

pub(crate) use command::read_command;
pub(crate) use file::read_file;

use crate::draft::Draft;
use crate::ledger::{Id, Ledger};

/// A setting's value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setting {
    Text(String),
    Flag(bool),
    List(Vec<String>),
    /// Python that is more than a value.
    Expression,
}

impl Setting {
    fn text(&self) -> Option<&str> {
        match self {
            Setting::Text(text) => Some(text.trim()),
            _ => None,
        }
    }

    fn number(&self) -> Option<u64> {
        self.text()?.parse().ok()
    }

    fn is_on(&self) -> bool {
        matches!(self, Setting::Flag(true)) || matches!(self.text(), Some("True" | "true" | "1"))
    }

    fn texts(&self) -> Vec<&str> {
        match self {
            Setting::Text(text) => text
                .split(',')
                .map(str::trim)
                .filter(|one| !one.is_empty())
                .collect(),
            Setting::List(list) => list.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

/// Takes one setting over; `name` is that of the config file.
pub(crate) fn take(name: &str, setting: &Setting, id: Id, ledger: &mut Ledger, draft: &mut Draft) {
    if *setting == Setting::Expression {
        return expression(name, id, ledger);
    }
    if let Some(key) = number_key(name) {
        return number(name, key, setting, id, ledger, draft);
    }
    match name {
        "bind" => ledger.taken(id, "not needed: between front and app there is no port"),
        "timeout" | "graceful_timeout" => seconds(name, setting, id, ledger, draft),
        "keepalive" => ledger.taken(id, "not needed: the front keeps connections open for 75 s ([limits] idle_timeout)"),
        "worker_class" => worker_class(setting, id, ledger),
        "preload_app" => ledger.taken(id, "Hotclub imports the app before forking, unless [app] preload = false"),
        "reload" => {
            draft.table("app").set("reload", setting.is_on());
            ledger.taken(id, "[app] reload");
        }
        "chdir" => ledger.taken(id, "Hotclub works in manage.py's folder"),
        "pythonpath" => ledger.unsupported(id, "Python's path is not set by an option", "set PYTHONPATH under [env] set"),
        "wsgi_app" => match setting.text() {
            Some(app) => {
                draft.table("app").set("wsgi", app);
                ledger.taken(id, "[app] wsgi");
            }
            None => ledger.unsupported(id, "this names no app", "write [app] wsgi"),
        },
        "raw_env" => environment(setting, id, ledger, draft),
        "forwarded_allow_ips" => ledger.taken(id, "not needed: Hotclub is the front, and believes no X-Forwarded-* of anybody"),
        "accesslog" => access_log(setting, id, ledger, draft),
        "access_log_format" => ledger.unsupported(
            id,
            "the access log's format is fixed",
            "[log] format is \"combined\" or \"json\"",
        ),
        "errorlog" | "loglevel" | "capture_output" | "disable_redirect_access_to_syslog" => {
            ledger.taken(id, "not needed: what the app writes to stderr is Hotclub's stderr");
        }
        "worker_tmp_dir" | "tmp_upload_dir" | "sendfile" | "reuse_port" | "proc_name" | "worker_connections"
        | "check_config" | "print_config" | "pidfile" | "daemon" | "umask" | "initgroups" | "user" | "group"
        | "config" | "secure_scheme_headers" | "strip_header_spaces" => {
            ledger.taken(id, "not needed: Hotclub sees to it");
        }
        "certfile" => {
            if let Some(file) = setting.text() {
                draft.table("https").set("certificate", file);
            }
            ledger.taken(id, "[https] certificate");
        }
        "keyfile" => {
            if let Some(file) = setting.text() {
                draft.table("https").set("key", file);
            }
            ledger.taken(id, "[https] key");
        }
        "limit_request_fields" => ledger.taken(id, "Hotclub's own limit holds: [limits] max_headers"),
        "limit_request_line" | "limit_request_field_size" => {
            ledger.taken(id, "Hotclub's own limit holds: [limits] max_header");
        }
        name if is_hook(name) => ledger.unsupported(
            id,
            "server hooks are not run",
            "connections are closed before the fork without it; for the rest use AppConfig.ready() or a middleware",
        ),
        name if name.starts_with("statsd") || name.starts_with("dogstatsd") => {
            ledger.unsupported(id, "there is no statsd", "[server] metrics tells Prometheus");
        }
        name if name.starts_with("ssl_") || name == "ciphers" || name == "do_handshake_on_connect" => {
            ledger.taken(id, "not needed: TLS 1.2 and 1.3, as it is best");
        }
        _ => ledger.unsupported(
            id,
            "this setting of Gunicorn has no equal",
            "docs/from-gunicorn.md goes through all of them",
        ),
    }
}

fn expression(name: &str, id: Id, ledger: &mut Ledger) {
    if name == "workers" {
        return ledger.mended(
            id,
            "computed in Python: without the key Hotclub takes as many workers as there are cores",
        );
    }
    if is_hook(name) {
        return ledger.unsupported(
            id,
            "server hooks are not run",
            "connections are closed before the fork without it; for the rest use AppConfig.ready() or a middleware",
        );
    }
    ledger.open(
        id,
        "this is computed in Python, and Python is read here, not run",
        "look its value up, and write it into hotclub.toml if the site needs it",
    );
}

fn number_key(name: &str) -> Option<&'static str> {
    Some(match name {
        "workers" => "workers",
        "threads" => "threads",
        "max_requests" => "max_requests",
        "max_requests_jitter" => "max_requests_jitter",
        "backlog" => "max_queue",
        _ => return None,
    })
}

/// The largest number of workers and of threads that `[app]` takes.
const MOST: u64 = 1024;

fn number(
    name: &str,
    key: &'static str,
    setting: &Setting,
    id: Id,
    ledger: &mut Ledger,
    draft: &mut Draft,
) {
    let least = u64::from(matches!(key, "workers" | "threads" | "max_queue"));
    let most = match key {
        "workers" | "threads" => MOST,
        _ => u64::from(u32::MAX),
    };
    match setting
        .number()
        .filter(|number| (least..=most).contains(number))
    {
        Some(number) => {
            draft.table("app").set(key, number);
            ledger.taken(id, format!("[app] {key} = {number}"));
        }
        None => ledger.open(
            id,
            format!("`{name}` is no number that Hotclub takes"),
            format!("write [app] {key}"),
        ),
    }
}

fn seconds(name: &str, setting: &Setting, id: Id, ledger: &mut Ledger, draft: &mut Draft) {
    let key = if name == "timeout" {
        "timeout"
    } else {
        "graceful_timeout"
    };
    match setting.number() {
        Some(seconds) => {
            draft.table("app").set(key, format!("{seconds}s"));
            let said = match key {
                "timeout" => {
                    format!("[app] timeout = \"{seconds}s\": one request's time, in every mode")
                }
                _ => format!("[app] graceful_timeout = \"{seconds}s\""),
            };
            ledger.taken(id, said);
        }
        None => ledger.open(
            id,
            format!("`{name}` is no number of seconds"),
            format!("write [app] {key} = \"30s\""),
        ),
    }
}

fn worker_class(setting: &Setting, id: Id, ledger: &mut Ledger) {
    match setting.text().unwrap_or_default() {
        "sync" | "gthread" | "" => ledger.taken(
            id,
            "not needed: one kind of worker serves all, and a slow client holds none",
        ),
        class if class.contains("uvicorn") => ledger.unsupported(
            id,
            "this worker class is for ASGI",
            "Django serves the same views by WSGI: [app] wsgi; see docs/configuration.md for asgi",
        ),
        class => ledger.unsupported(
            id,
            format!("the worker class `{class}` has no equal"),
            "slow clients hold no worker here; for slow views raise [app] threads",
        ),
    }
}

fn environment(setting: &Setting, id: Id, ledger: &mut Ledger, draft: &mut Draft) {
    for entry in setting.texts() {
        match entry.split_once('=') {
            Some((name, value)) if hotclub_config::env_file::is_name(name) => {
                draft.table("env").field("set", name, value);
            }
            _ => ledger.open(id, "an entry is not KEY=VALUE", "write it under [env] set"),
        }
    }
    ledger.taken(id, "[env] set");
}

fn access_log(setting: &Setting, id: Id, ledger: &mut Ledger, draft: &mut Draft) {
    match setting.text().unwrap_or_default() {
        "-" | "" | "/dev/stdout" => ledger.taken(
            id,
            "the access log goes to stdout unless [log] access says otherwise",
        ),
        file => {
            draft.table("log").set("access", file);
            ledger.taken(id, "[log] access");
        }
    }
}

fn is_hook(name: &str) -> bool {
    const HOOKS: [&str; 17] = [
        "on_starting",
        "on_reload",
        "when_ready",
        "pre_fork",
        "post_fork",
        "post_worker_init",
        "worker_int",
        "worker_abort",
        "pre_exec",
        "pre_request",
        "post_request",
        "child_exit",
        "worker_exit",
        "nworkers_changed",
        "on_exit",
        "ssl_context",
        "logger_class",
    ];
    HOOKS.contains(&name)
}
