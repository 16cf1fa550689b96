//! The running program, and what must hold at its end.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, kill_process, kill_process_group};
use serde_json::Value;

use crate::launch::Ended;
use crate::lines::Lines;
use crate::processes::{self, Process, descendants, descriptors};
use crate::raw::Raw;
use crate::response::Response;
use crate::wait::until_within;

pub use rustix::process::Signal;

/// Installing a project's dependencies may be part of it.
const START: Duration = Duration::from_secs(240);
const STOP: Duration = Duration::from_secs(45);
/// For what ends a moment later than its cause.
const MOMENT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Program {
    child: Child,
    /// Its number, when it is not our child but that one's.
    inner: Option<u32>,
    pub stdout: Lines,
    pub stderr: Lines,
    mark: String,
    allowed: Vec<String>,
    folder: Option<PathBuf>,
    urls: Vec<String>,
    /// The `serving` event, with `--json`.
    served: Value,
    /// Descriptors when it began to serve.
    descriptors: Option<Vec<String>>,
    family: HashSet<Process>,
    ended: Option<ExitStatus>,
}

impl Program {
    pub(crate) fn new(
        mut child: Child,
        mark: String,
        allowed: Vec<String>,
        folder: Option<PathBuf>,
    ) -> Self {
        let stdout = Lines::read(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Lines::read(child.stderr.take().expect("stderr is a pipe"));
        Self {
            child,
            inner: None,
            stdout,
            stderr,
            mark,
            allowed,
            folder,
            urls: Vec::new(),
            served: Value::Null,
            descriptors: None,
            family: HashSet::new(),
            ended: None,
        }
    }

    /// What was started is unshare(1), and the program its only child.
    pub(crate) fn contained(mut self) -> Self {
        let child = self.child.id();
        self.inner = until_within(MOMENT, "the program in its namespace", || {
            let inner = processes::children(child).first().map(|inner| inner.pid);
            let over = self.child.try_wait().expect("it can be waited for");
            (inner.is_some() || over.is_some()).then_some(inner)
        });
        self
    }

    /// Waits for the line or the event that says where it serves.
    #[track_caller]
    pub(crate) fn serving(mut self) -> Self {
        let began = Instant::now();
        let slice = Duration::from_millis(50);
        while self.urls.is_empty() {
            if let Some(urls) = self.stderr.find(0, slice, urls_of_line) {
                self.urls = urls;
            } else if let Some(event) = self.stdout.find(0, slice, |line| event_of(line, "serving"))
            {
                self.urls = urls_of_event(&event);
                self.served = event;
            }
            let over = self
                .child
                .try_wait()
                .expect("it can be waited for")
                .is_some();
            if self.urls.is_empty() && (over || began.elapsed() > START) {
                self.stderr.ended(MOMENT);
                panic!(
                    "it does not serve\n{}\n{}",
                    self.stdout.text(),
                    self.stderr.text()
                );
            }
        }
        self.descriptors = Some(self.settled_descriptors());
        self.note_family();
        self
    }

    /// What is open once nothing changes any more: workers are still being forked when the first of
    /// them serves.
    fn settled_descriptors(&self) -> Vec<String> {
        let mut before = descriptors(self.pid());
        until_within(MOMENT, "the number of descriptors to settle", || {
            std::thread::sleep(Duration::from_millis(50));
            let now = descriptors(self.pid());
            let settled = now.len() == before.len();
            before.clone_from(&now);
            settled.then_some(now)
        })
    }

    /// The number of open descriptors has a right to be another than in the beginning.
    pub fn forget_descriptors(&mut self) {
        self.descriptors = None;
    }

    pub fn pid(&self) -> u32 {
        self.inner.unwrap_or_else(|| self.child.id())
    }

    /// Where it serves, in the order of the options.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// `HOST:PORT` of the first.
    #[track_caller]
    pub fn address(&self) -> &str {
        self.urls
            .first()
            .expect("it serves")
            .trim_start_matches("http://")
    }

    /// The `serving` event.
    pub fn served(&self) -> &Value {
        &self.served
    }

    #[track_caller]
    pub fn connect(&self) -> Raw {
        Raw::connect(self.address()).expect("the program accepts")
    }

    /// GETs `path` on a connection of its own.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.get_with(path, &[])
    }

    #[track_caller]
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.request("GET", path, headers, b"")
    }

    /// A request on a connection of its own; a body gets its Content-Length.
    #[track_caller]
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            head.push_str(&format!("Host: {}\r\n", self.address()));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let bytes = [head.as_bytes(), b"Connection: close\r\n\r\n", body].concat();
        self.connect()
            .ask(bytes)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.stderr.text()))
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().cast_signed()).expect("it has a number");
        kill_process(pid, signal).expect("it can be signalled");
    }

    /// Python workers, by their short name.
    pub fn workers(&self) -> Vec<Process> {
        self.named("hotclub-worker")
    }

    /// Without children of theirs that have not become workers yet: those are in their group.
    pub fn fork_servers(&self) -> Vec<Process> {
        let mut all = self.named("hotclub-fork");
        all.retain(|process| process.group == process.pid);
        all
    }

    /// Living descendants with this short name (cut to 15 bytes, as the kernel does).
    pub fn named(&self, name: &str) -> Vec<Process> {
        let name = &name[..name.len().min(15)];
        let family = descendants(self.pid()).into_iter();
        family
            .filter(|process| process.name == name && !process.is_zombie())
            .collect()
    }

    /// Waits until a line on stderr, from line `start` on, has this text.
    #[track_caller]
    pub fn says_from(&self, start: usize, text: &str) -> String {
        let found = self.stderr.find(start, START, |line| {
            line.contains(text).then(|| line.to_owned())
        });
        found.unwrap_or_else(|| panic!("{text:?} is not in:\n{}", self.stderr.text()))
    }

    #[track_caller]
    pub fn says(&self, text: &str) -> String {
        self.says_from(0, text)
    }

    /// Waits for an event of `--json`, from line `start` of stdout on.
    #[track_caller]
    pub fn event(&self, start: usize, kind: &str) -> Value {
        let found = self.stdout.find(start, START, |line| event_of(line, kind));
        found.unwrap_or_else(|| {
            panic!(
                "no {kind:?} in:\n{}\n{}",
                self.stdout.text(),
                self.stderr.text()
            )
        })
    }

    /// All events of this kind so far.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        self.stdout
            .all()
            .iter()
            .filter_map(|line| event_of(line, kind))
            .collect()
    }

    /// Lines with this text are no fault from now on.
    pub fn allow(&mut self, text: &str) {
        self.allowed.push(text.to_owned());
    }

    /// Remembers who belongs to it now; at the end nobody of them may be left.
    pub fn note_family(&mut self) {
        self.family.extend(descendants(self.pid()));
    }

    /// Kills it as the kernel would when memory is short. Nothing is checked but that its workers go.
    pub fn kill(mut self) {
        self.note_family();
        self.child.kill().expect("it can be killed");
        self.ended = Some(self.child.wait().expect("it can be waited for"));
        let gone = || {
            let python = |process: &&Process| process.name.starts_with("hotclub-");
            (!self.family.iter().filter(python).any(Process::is_alive)).then_some(())
        };
        until_within(STOP, "its fork server and workers to go", gone);
        // PostgreSQL may go on: the next start finds it.
        self.family.clear();
        self.folder = None;
        self.mark.clear();
    }

    /// SIGTERM, and everything that must hold then.
    #[track_caller]
    pub fn stop(self) {
        self.stop_by(Signal::TERM);
    }

    #[track_caller]
    pub fn stop_by(mut self, signal: Signal) {
        self.check_before_end();
        self.signal(signal);
        let ended = self.finish(STOP);
        assert_eq!(ended.code, Some(0), "exit code\n{}", ended.stderr);
        self.check_stderr();
    }

    /// Waits for an end that the test has brought about itself.
    #[track_caller]
    pub fn end_within(mut self, deadline: Duration) -> Ended {
        self.note_family();
        self.finish(deadline)
    }

    fn finish(&mut self, deadline: Duration) -> Ended {
        let status = until_within(deadline, "the program's end", || {
            self.family.extend(descendants(self.child.id()));
            self.child.try_wait().expect("it can be waited for")
        });
        self.ended = Some(status);
        self.check_nothing_left();
        self.stdout.ended(MOMENT);
        self.stderr.ended(MOMENT);
        Ended {
            code: status.code(),
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        }
    }

    fn check_before_end(&mut self) {
        self.note_family();
        until_within(MOMENT, "zombies to be reaped", || {
            (!descendants(self.child.id()).iter().any(Process::is_zombie)).then_some(())
        });
        let Some(before) = self.descriptors.clone() else {
            return;
        };
        let began = Instant::now();
        loop {
            let now = descriptors(self.pid());
            let new = added(&before, &now);
            if new.is_empty() {
                return;
            }
            assert!(began.elapsed() < MOMENT, "new descriptors: {new:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn check_nothing_left(&self) {
        let began = Instant::now();
        loop {
            let mut left: Vec<_> = self
                .family
                .iter()
                .filter(|p| p.is_alive())
                .cloned()
                .collect();
            left.extend(processes::marked(&self.mark, self.folder.as_ref()));
            if left.is_empty() {
                return;
            }
            // A process that was told to end may need a moment; one second is more than that.
            if began.elapsed() > Duration::from_secs(1) {
                let texts: Vec<_> = left
                    .iter()
                    .map(|p| format!("{} {} {}", p.pid, p.name, p.command()))
                    .collect();
                panic!("left over: {texts:#?}\n{}", self.stderr.text());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn check_stderr(&self) {
        let is_bad = |line: &&String| {
            line.contains(" ERROR ")
                || line.contains("panicked at")
                || line.starts_with("Traceback ")
        };
        let lines = self.stderr.all();
        let bad: Vec<_> = lines
            .iter()
            .filter(is_bad)
            .filter(|line| !self.allowed.iter().any(|text| line.contains(text)))
            .collect();
        assert!(
            bad.is_empty(),
            "on stderr: {bad:#?}\nof:\n{}",
            lines.join("\n")
        );
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- stdout\n{}\n--- stderr\n{}\n---",
                self.stdout.text(),
                self.stderr.text()
            );
        }
        if self.ended.is_none() {
            self.note_family();
            // Its own group first; workers have groups of their own.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
        if self.mark.is_empty() {
            return;
        }
        let marked = processes::marked(&self.mark, self.folder.as_ref());
        for process in self
            .family
            .iter()
            .filter(|process| process.is_alive())
            .chain(&marked)
        {
            if let Some(pid) = Pid::from_raw(process.pid.cast_signed()) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// What is open beyond `before`. The front keeps some served files open, which is no leak; files that
/// were deleted are one.
fn added(before: &[String], now: &[String]) -> Vec<String> {
    let mut known = before.to_vec();
    let is_new = |name: &&String| match known.iter().position(|other| other == *name) {
        Some(at) => {
            known.swap_remove(at);
            false
        }
        None => true,
    };
    let new = now.iter().filter(is_new);
    new.filter(|name| !name.starts_with('/') || name.ends_with(" (deleted)"))
        .cloned()
        .collect()
}

fn urls_of_line(line: &str) -> Option<Vec<String>> {
    let rest = line.strip_prefix("serving ")?;
    let (urls, _) = rest.split_once("  ").unwrap_or((rest, ""));
    Some(urls.split(' ').map(str::to_owned).collect())
}

fn urls_of_event(event: &Value) -> Vec<String> {
    let urls = event["urls"].as_array().into_iter().flatten();
    urls.filter_map(|url| url.as_str().map(str::to_owned))
        .collect()
}

fn event_of(line: &str, kind: &str) -> Option<Value> {
    let event: Value = serde_json::from_str(line).ok()?;
    (event["event"] == kind).then_some(event)
}
