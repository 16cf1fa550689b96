//! A running stack: its processes, where it answers, how long that took. Dropping it ends it.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::{command, descendants, http, interrupt};

const FIRST_ANSWER: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(2);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Whether it speaks HTTPS there.
    tls: bool,
    /// What was started, for the record.
    pub(crate) commands: Vec<String>,
    /// By file name.
    pub(crate) configs: BTreeMap<String, String>,
    /// From the first command to the first 200.
    pub(crate) took: Duration,
    started: Instant,
    children: Vec<(Child, Signal)>,
    logs: Vec<PathBuf>,
}

impl Server {
    pub(crate) fn new(address: SocketAddr, tls: bool) -> Self {
        Self {
            address,
            tls,
            commands: Vec::new(),
            configs: BTreeMap::new(),
            took: Duration::ZERO,
            started: Instant::now(),
            children: Vec::new(),
            logs: Vec::new(),
        }
    }

    /// Starts one more process of the stack, writing to `log`; `stop` is its graceful stop.
    pub(crate) fn spawn(&mut self, command: &mut Command, log: &Path, stop: Signal) -> Result<()> {
        interrupt::check()?;
        let file = File::create(log)?;
        let mut tied = command::tied(command);
        tied.stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0);
        self.commands.push(command::describe(command));
        let program = command.get_program().to_string_lossy().into_owned();
        let child = tied
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        self.children.push((child, stop));
        self.logs.push(log.to_owned());
        Ok(())
    }

    /// Returns once `path` answers 200; a stack that ends before fails with its logs' ends.
    pub(crate) fn ready(mut self, path: &str) -> Result<Self> {
        loop {
            if self.get(path).is_ok_and(|answer| answer.status == 200) {
                self.took = self.started.elapsed();
                return Ok(self);
            }
            interrupt::check()?;
            let ended = self
                .children
                .iter_mut()
                .any(|(child, _)| !matches!(child.try_wait(), Ok(None)));
            if ended || self.started.elapsed() > FIRST_ANSWER {
                let ends: Vec<_> = self.logs.iter().map(|log| last_lines(log)).collect();
                bail!("it does not serve:\n{}", ends.join("\n"));
            }
            std::thread::sleep(POLL);
        }
    }

    pub(crate) fn get(&self, path: &str) -> Result<http::Answer> {
        self.get_with(path, &[])
    }

    pub(crate) fn get_with(
        &self,
        path: &str,
        headers: &[(&'static str, String)],
    ) -> Result<http::Answer> {
        if self.tls {
            http::get_tls(&self.url(path), headers)
        } else {
            http::get_with(self.address, path, headers)
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme(), self.address)
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The process that was started first.
    pub(crate) fn first(&self) -> i32 {
        let first = self.children.first();
        first.map_or(0, |(child, _)| child.id().cast_signed())
    }

    /// The app server's worker processes that live now.
    pub(crate) fn workers(&self) -> Vec<i32> {
        let mut tree = descendants::tree(self.first());
        let ours = tree.iter().any(|process| process.command == "hotclub-fork");
        tree.retain(|process| {
            let is_worker = match ours {
                true => process.command == "hotclub-worker",
                false => process.parent == self.first(),
            };
            is_worker && process.state != 'Z'
        });
        tree.iter().map(|process| process.pid).collect()
    }

    pub(crate) fn processes(&self) -> Vec<descendants::Process> {
        self.children
            .iter()
            .flat_map(|(child, _)| descendants::tree(child.id().cast_signed()))
            .filter(|process| process.state != 'Z')
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let all = self.processes();
        for (child, stop) in self.children.iter_mut().rev() {
            let _ = command::end_with(child, *stop);
        }
        // Orphans are ours (descendants::adopt_orphans), so a number found here is still theirs.
        let own = descendants::tree(std::process::id().cast_signed());
        for process in all
            .iter()
            .filter(|process| own.iter().any(|left| left.pid == process.pid))
        {
            descendants::signal(process.pid, Signal::KILL);
        }
    }
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(12);
    lines[from..]
        .iter()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
