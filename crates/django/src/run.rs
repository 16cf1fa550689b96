//! Runs one program to its end: its output goes to a log file and, line by line, to the caller.

use std::io::{self, PipeReader, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::process::Command;

use crate::progress::{Report, Step, say};

/// Lines kept in memory for an error's message; the log has all of them.
const KEPT_LINES: usize = 4000;

/// How long to wait for output after the end, when a grandchild still holds the pipe.
const LINGER: Duration = Duration::from_millis(500);

pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    /// Standard output and error as they came.
    pub(crate) lines: Vec<String>,
}

/// Ends the program and what it started when the caller goes away before the program does.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // An error means that nothing is left of the group.
            let _ = kill_process_group(pid, Signal::TERM);
        }
    }
}

/// Appends to `log`. An error is one of starting the program or of writing the log.
pub(crate) async fn run(
    command: Command,
    log: &Path,
    step: Step,
    report: Report<'_>,
) -> io::Result<Ran> {
    run_over(Stdio::null(), command, (log, step), report).await
}

/// The same for a program whose standard input is something else than nothing.
pub(crate) async fn run_over(
    stdin: Stdio,
    mut command: Command,
    (log, step): (&Path, Step),
    report: Report<'_>,
) -> io::Result<Ran> {
    let mut log = open_log(log)?;
    writeln!(log, "$ {}", shown(&command))?;
    let (reader, writer) = io::pipe()?;
    command
        .stdin(stdin)
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    // The command holds the pipe's writing ends; the end of output is seen once they are closed.
    drop(command);
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let mut lines = Vec::new();
    let status = {
        let reading = read_lines(reader, |line| {
            let _ = writeln!(log, "{line}");
            if !line.trim().is_empty() {
                say(report, step, line.trim());
            }
            if lines.len() < KEPT_LINES {
                lines.push(line);
            } else {
                lines.rotate_left(1);
                lines[KEPT_LINES - 1] = line;
            }
        });
        tokio::pin!(reading);
        let early = tokio::select! {
            read = &mut reading => { read?; None }
            status = child.wait() => Some(status?),
        };
        match early {
            Some(status) => {
                if let Ok(read) = tokio::time::timeout(LINGER, reading).await {
                    read?;
                }
                status
            }
            None => child.wait().await?,
        }
    };
    group.0 = None;
    Ok(Ran { status, lines })
}

async fn read_lines(reader: PipeReader, mut each: impl FnMut(String)) -> io::Result<()> {
    let fd = OwnedFd::from(reader);
    rustix::io::ioctl_fionbio(&fd, true)?;
    let mut reader = BufReader::new(Receiver::from_owned_fd(fd)?);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).await? > 0 {
        let text = String::from_utf8_lossy(&bytes);
        each(text.trim_end_matches(['\n', '\r']).to_owned());
        bytes.clear();
    }
    Ok(())
}

fn open_log(path: &Path) -> io::Result<std::fs::File> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
}

/// Starts a step's log anew.
pub(crate) fn clear_log(path: &Path) {
    let _ = std::fs::remove_file(path);
}

/// Arguments may be long JSON; the log names the program and the first words.
fn shown(command: &Command) -> String {
    let command = command.as_std();
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// The last lines that say something, for a message; at most `count`.
pub(crate) fn tail(lines: &[String], count: usize) -> String {
    let said: Vec<&str> = lines
        .iter()
        .map(|line| line.trim_end())
        .filter(|line| !line.is_empty())
        .collect();
    said[said.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{PidfdFlags, pidfd_open};

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn output_and_errors_come_in_order_and_the_log_has_both() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log/x.log");
        let command = shell("echo one; echo two >&2; printf three; exit 3");
        let ran = run(command, &log, Step::Migrate, &crate::progress::silent)
            .await
            .unwrap();
        assert_eq!(ran.lines, ["one", "two", "three"]);
        assert_eq!(ran.status.code(), Some(3));
        assert!(
            std::fs::read_to_string(log)
                .unwrap()
                .ends_with("one\ntwo\nthree\n")
        );
    }

    #[tokio::test]
    async fn a_grandchild_that_keeps_the_output_open_does_not_hold_the_step() {
        let dir = tempfile::tempdir().unwrap();
        let command = shell("sleep 1000 & echo $!");
        let log = dir.path().join("x.log");
        let ran = run(command, &log, Step::Migrate, &crate::progress::silent)
            .await
            .unwrap();
        let pid = Pid::from_raw(ran.lines[0].parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::TERM).unwrap();
        assert!(ran.status.success());
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_takes_the_whole_group_along() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("x.log");
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let stop = std::sync::Mutex::new(Some(stop));
        let report = |progress: crate::Progress| {
            let _ = tell.send(progress.message);
            let _ = stop.lock().unwrap().take().map(|stop| stop.send(()));
        };
        tokio::select! {
            _ = run(shell("sleep 1000 & echo $!; wait"), &log, Step::Migrate, &report) => panic!(),
            _ = async { stopped.await.unwrap(); tokio::task::yield_now().await } => {}
        }
        let pid = Pid::from_raw(told.recv().unwrap().parse().unwrap()).unwrap();
        // An error means that it is gone and was waited for.
        if let Ok(grandchild) = pidfd_open(pid, PidfdFlags::empty()) {
            let mut ended = [PollFd::new(&grandchild, PollFlags::IN)];
            let patience = Timespec {
                tv_sec: 10,
                tv_nsec: 0,
            };
            assert_eq!(poll(&mut ended, Some(&patience)).unwrap(), 1);
        }
    }
}
