//! A running stack: its processes, where it answers, how long that took. Dropping it ends it.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::{command, descendants, http, interrupt};

const FIRST_ANSWER: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(2);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// What was started, for the record.
    pub(crate) commands: Vec<String>,
    /// From the first command to the first 200.
    pub(crate) took: Duration,
    started: Instant,
    children: Vec<(Child, Signal)>,
}

impl Server {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            commands: Vec::new(),
            took: Duration::ZERO,
            started: Instant::now(),
            children: Vec::new(),
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
        Ok(())
    }

    /// Returns once `path` answers 200; a stack that ends before fails with its log's end.
    pub(crate) fn ready(mut self, path: &str, log: &Path) -> Result<Self> {
        loop {
            if http::get(self.address, path).is_ok_and(|answer| answer.status == 200) {
                self.took = self.started.elapsed();
                return Ok(self);
            }
            interrupt::check()?;
            let ended = self
                .children
                .iter_mut()
                .any(|(child, _)| !matches!(child.try_wait(), Ok(None)));
            if ended || self.started.elapsed() > FIRST_ANSWER {
                bail!("it does not serve:\n{}", last_lines(log));
            }
            std::thread::sleep(POLL);
        }
    }

    /// The process that was started first.
    pub(crate) fn first(&self) -> i32 {
        let first = self.children.first();
        first.map_or(0, |(child, _)| child.id().cast_signed())
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
