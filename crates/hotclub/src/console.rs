//! What a person, or a script with `--json`, sees of a command under way.
//!
//! People read stderr: a line a step, the last line of a long one's output behind a spinner. Scripts
//! read stdout: one JSON object a line. Colours and spinners only on a terminal.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use hotclub_app::Finding;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const DOUBT: Style = AnsiColor::Yellow.on_default();
const ADVICE: Style = AnsiColor::Cyan.on_default();
const QUIET: Style = Style::new().dimmed();

/// One thing that happened, as `--json` prints it.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event<'a> {
    Step {
        name: &'a str,
        state: StepState,
        detail: &'a str,
        seconds: f64,
    },
    Progress {
        name: &'a str,
        message: &'a str,
    },
    Note {
        message: &'a str,
    },
    Warning {
        message: &'a str,
        hint: Option<&'a str>,
    },
    Error {
        message: &'a str,
        detail: Option<&'a str>,
        hint: Option<&'a str>,
        log: Option<&'a PathBuf>,
    },
    /// What Django was told where its settings say nothing, and what was left alone.
    Tuned {
        done: &'a [&'a Finding],
        left: &'a [&'a Finding],
    },
    Serving(&'a Serving),
    /// Several sites, or one without an app.
    #[serde(rename = "serving")]
    Hosting(&'a Hosting),
    Reloaded {
        generation: u64,
        seconds: f64,
    },
    Stopping {
        signal: &'a str,
    },
    /// A new program, with this process id, serves from here on.
    HandedOver {
        pid: u32,
    },
    /// The answer of `hotclub upgrade`.
    Upgraded {
        old: u32,
        pid: u32,
    },
    Stopped,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StepState {
    Done,
    Skipped,
}

/// What is being served, and what it stands on.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Serving {
    pub(crate) urls: Vec<String>,
    pub(crate) app: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) django: Option<String>,
    pub(crate) python: String,
    pub(crate) workers: usize,
    pub(crate) threads: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) static_files: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) media: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metrics: Option<String>,
    pub(crate) seconds: f64,
    pub(crate) pid: u32,
}

/// What a program with any number of sites serves.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Hosting {
    pub(crate) urls: Vec<String>,
    pub(crate) sites: Vec<SiteState>,
    pub(crate) seconds: f64,
    pub(crate) pid: u32,
}

/// How a site fares.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SiteState {
    pub(crate) name: String,
    pub(crate) hosts: Vec<String>,
    /// `serving`, `starting` or `down`.
    pub(crate) state: &'static str,
}

/// Where events go.
#[derive(Debug)]
pub(crate) struct Console {
    json: bool,
    quiet: bool,
    spinner: ProgressBar,
    step: Mutex<Option<(String, Instant)>>,
    /// The site that is spoken of, where there are several.
    site: Option<String>,
    /// Somebody at the other end of the control socket, who is told the same.
    listener: Option<Listener>,
}

/// Takes events, one JSON object each.
pub(crate) type Listener = mpsc::UnboundedSender<String>;

impl Console {
    pub(crate) fn new(json: bool) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let spinner = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {prefix} {wide_msg:.dim}")
        {
            spinner.set_style(style);
        }
        Self {
            json,
            quiet: false,
            spinner,
            step: Mutex::new(None),
            site: None,
            listener: None,
        }
    }

    /// Says nothing: for commands whose answer is all that is wanted.
    pub(crate) fn quiet() -> Self {
        let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self {
            json: false,
            quiet: true,
            spinner,
            step: Mutex::new(None),
            site: None,
            listener: None,
        }
    }

    /// Says of each thing that it is this site's; several may speak at a time.
    pub(crate) fn of_site(&self, site: &str) -> Self {
        Self {
            json: self.json,
            quiet: self.quiet,
            spinner: ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
            step: Mutex::new(None),
            site: Some(site.to_owned()),
            listener: self.listener.clone(),
        }
    }

    /// The same, and to a listener besides.
    pub(crate) fn heard_by(self, listener: Listener) -> Self {
        Self {
            listener: Some(listener),
            ..self
        }
    }

    /// The same for a task of its own.
    pub(crate) fn beside(&self) -> Self {
        Self {
            site: self.site.clone(),
            ..self.of_site("")
        }
    }

    /// Shows what somebody else told a listener.
    pub(crate) fn relay(&self, line: &str) {
        if self.json {
            let mut stdout = std::io::stdout().lock();
            // Nobody is left to tell.
            let _ = writeln!(stdout, "{line}");
            return;
        }
        let Ok(told) = serde_json::from_str::<serde_json::Value>(line) else {
            return;
        };
        let text = |key: &str| told[key].as_str().unwrap_or_default();
        let hint = told["hint"].as_str();
        match text("event") {
            "progress" => {
                if self.lock().is_none() {
                    self.begin(text("name"));
                }
                self.progress(text("message"));
            }
            "step" => {
                let seconds = told["seconds"].as_f64().unwrap_or_default();
                *self.lock() = None;
                self.spinner.finish_and_clear();
                let state = match text("state") {
                    "skipped" => StepState::Skipped,
                    _ => StepState::Done,
                };
                let line = step_line(text("name"), state, text("detail"), seconds);
                self.spoken(&line);
            }
            "note" => self.note(text("message")),
            "log" => {
                // Data, and nobody is left to read it.
                let _ = writeln!(std::io::stdout(), "{}", text("line"));
            }
            "warning" => self.warning(text("message"), hint),
            "error" => match serde_json::from_value::<Failure>(told.clone()) {
                Ok(failure) => self.failure(&failure),
                Err(_) => self.note(text("message")),
            },
            _ => {}
        }
    }

    /// A step begins; a terminal shows it until it ends.
    pub(crate) fn begin(&self, name: &str) {
        *self.lock() = Some((name.to_owned(), Instant::now()));
        self.spinner.reset();
        self.spinner.set_prefix(name.to_owned());
        self.spinner.set_message("");
        self.spinner.enable_steady_tick(Duration::from_millis(100));
    }

    /// The latest line of the running step.
    pub(crate) fn progress(&self, message: &str) {
        self.spinner.set_message(message.to_owned());
        if let Some((name, _)) = &*self.lock() {
            let event = Event::Progress { name, message };
            self.tell(&event);
            if self.json {
                self.print_json(&event);
            }
        }
    }

    /// The running step is done; `detail` says what came of it.
    pub(crate) fn done(&self, detail: &str) {
        self.end(StepState::Done, detail);
    }

    /// Nothing had changed since the last start.
    pub(crate) fn skipped(&self, detail: &str) {
        self.end(StepState::Skipped, detail);
    }

    pub(crate) fn note(&self, message: &str) {
        self.say(&Event::Note { message }, || {
            format!("  {QUIET}{message}{QUIET:#}")
        });
    }

    pub(crate) fn warning(&self, message: &str, hint: Option<&str>) {
        self.say(&Event::Warning { message, hint }, || {
            let hint = hint
                .map(|h| format!("\n  {ADVICE}hint:{ADVICE:#} {h}"))
                .unwrap_or_default();
            format!("{DOUBT}warning:{DOUBT:#} {message}{hint}")
        });
    }

    /// A report of the configuration's doubts, which says `warning:` itself.
    pub(crate) fn doubts(&self, report: &str) {
        let event = Event::Warning {
            message: report,
            hint: None,
        };
        self.say(&event, || report.trim_end().to_owned());
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        self.spinner.finish_and_clear();
        let Failure {
            message,
            detail,
            hint,
            log,
        } = failure;
        let event = Event::Error {
            message,
            detail: detail.as_deref(),
            hint: hint.as_deref(),
            log: log.as_ref(),
        };
        self.say(&event, || failure.rendered());
    }

    /// What a start's tuning came to, in the shape of a step.
    pub(crate) fn tuned(&self, done: &[&Finding], left: &[&Finding], detail: &str) {
        let (mark, style) = if done.is_empty() {
            ("·", QUIET)
        } else {
            ("✓", GOOD)
        };
        self.say(&Event::Tuned { done, left }, || {
            format!("{style}{mark}{style:#} {:<12} {detail}", "tuning")
        });
    }

    pub(crate) fn serving(&self, serving: &Serving) {
        self.say(&Event::Serving(serving), || serving.rendered());
    }

    /// What a command came to, in a person's words.
    pub(crate) fn said(&self, human: &str) {
        self.spinner.finish_and_clear();
        self.spoken(human);
    }

    pub(crate) fn event(&self, event: &Event<'_>, human: &str) {
        self.say(event, || human.to_owned());
    }

    fn end(&self, state: StepState, detail: &str) {
        self.spinner.finish_and_clear();
        let Some((name, began)) = self.lock().take() else {
            return;
        };
        let seconds = began.elapsed().as_secs_f64();
        self.say(
            &Event::Step {
                name: &name,
                state,
                detail,
                seconds,
            },
            || step_line(&name, state, detail, seconds),
        );
    }

    fn tell(&self, event: &Event<'_>) {
        if let Some(listener) = &self.listener
            && let Ok(line) = serde_json::to_string(event)
        {
            // Whoever asked has left.
            let _ = listener.send(line);
        }
    }

    fn say(&self, event: &Event<'_>, human: impl FnOnce() -> String) {
        self.tell(event);
        if self.quiet {
            return;
        }
        if self.json {
            self.print_json(event);
        } else {
            self.spoken(&human());
        }
    }

    fn spoken(&self, text: &str) {
        self.spinner.suspend(|| {
            // Nobody is left to tell when stderr is closed.
            let _ = match &self.site {
                Some(site) => {
                    let text = text.replace('\n', "\n  ");
                    writeln!(anstream::stderr(), "{QUIET}{site}:{QUIET:#} {text}")
                }
                None => writeln!(anstream::stderr(), "{text}"),
            };
        });
    }

    fn print_json(&self, event: &Event<'_>) {
        let site = self.site.as_deref();
        print_json(&Told { site, event });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(String, Instant)>> {
        self.step
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn step_line(name: &str, state: StepState, detail: &str, seconds: f64) -> String {
    match state {
        StepState::Done => {
            format!("{GOOD}✓{GOOD:#} {name:<12} {detail} {QUIET}{seconds:.1} s{QUIET:#}")
        }
        StepState::Skipped => format!("{QUIET}· {name:<12} {detail}{QUIET:#}"),
    }
}

/// An event, and whose it is.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<&'a str>,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

fn print_json(event: &Told<'_>) {
    let mut stdout = std::io::stdout().lock();
    let written = serde_json::to_writer(&mut stdout, event).map_err(std::io::Error::from);
    // A closed pipe: whoever read the events has left, which is no reason to stop serving.
    let _ = written
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush());
}

impl Hosting {
    /// `http://… · portfolio (example.com), blog: down`
    pub(crate) fn rendered(&self) -> String {
        let site = |site: &SiteState| {
            let hosts: Vec<_> = site
                .hosts
                .iter()
                .map(|host| hotclub_config::shown_host(host))
                .collect();
            let hosts = match hosts.is_empty() {
                true => "every host".to_owned(),
                false => hosts.join(", "),
            };
            match site.state {
                "serving" => format!("{} ({hosts})", site.name),
                state => format!("{} ({hosts}): {BAD}{state}{BAD:#}", site.name),
            }
        };
        let sites: Vec<String> = self.sites.iter().map(site).collect();
        let (urls, sites) = (self.urls.join(" "), sites.join(" · "));
        format!("{GOOD}serving{GOOD:#} {urls}  {QUIET}{sites}{QUIET:#}")
    }
}

impl Serving {
    /// `http://… · Django 5.2 · 4 workers · …`
    fn rendered(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(
            self.django
                .as_ref()
                .map(|version| format!("Django {version}")),
        );
        parts.push(format!("Python {}", self.python));
        parts.push(match (self.workers, self.threads) {
            (1, 1) => "1 worker".to_owned(),
            (workers, 1) => format!("{workers} workers"),
            (workers, threads) => format!("{workers} workers × {threads} threads"),
        });
        parts.extend(self.database.clone());
        parts.extend(
            self.static_files
                .as_ref()
                .map(|files| format!("static {files}")),
        );
        parts.extend(self.media.as_ref().map(|files| format!("media {files}")));
        parts.extend(self.metrics.as_ref().map(|url| format!("metrics {url}")));
        let urls = self.urls.join(" ");
        let on = parts.join(" · ");
        format!("{GOOD}serving{GOOD:#} {urls}  {QUIET}{on}{QUIET:#}")
    }
}

/// Why a command ends with exit code 1: what is wrong, where, and what to do next.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) message: String,
    /// Several lines: a traceback, the end of a log.
    pub(crate) detail: Option<String>,
    pub(crate) hint: Option<String>,
    pub(crate) log: Option<PathBuf>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A step's error with its own advice: its first line says what, the others show it.
    pub(crate) fn of_step(error: &dyn std::error::Error, hint: Option<String>) -> Self {
        let text = error.to_string();
        let (message, detail) = match text.split_once('\n') {
            Some((message, detail)) => (message.to_owned(), Some(detail.to_owned())),
            None => (text, None),
        };
        Self {
            message,
            detail,
            hint,
            log: None,
        }
    }

    pub(crate) fn of_engine(error: &hotclub_docker::DockerError) -> Self {
        Self::of_step(error, error.hint())
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    fn rendered(&self) -> String {
        let mut text = format!("{BAD}error:{BAD:#} {}", self.message);
        for line in self.detail.iter().flat_map(|detail| detail.lines()) {
            text.push_str("\n  ");
            text.push_str(line);
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\n{ADVICE}hint:{ADVICE:#} {hint}"));
        }
        if let Some(log) = &self.log {
            text.push_str(&format!("\n{QUIET}more in {}{QUIET:#}", log.display()));
        }
        text
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        Self::new(message)
    }
}
