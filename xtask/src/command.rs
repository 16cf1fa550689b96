//! Runs programs for a task: shown while they run and kept for reading, or quiet unless they fail.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, PipeReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::interrupt;

const TICK: Duration = Duration::from_millis(200);
/// A silent program is reported as still running this often.
const HEARTBEAT: Duration = Duration::from_secs(60);
/// After a program ended, its last output is waited for this long.
const LINGER: Duration = Duration::from_secs(2);
/// Between asking a program to end and ending it.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct Finished {
    pub(crate) success: bool,
    /// Standard output and error, as they came, without colours.
    pub(crate) output: String,
}

/// Runs the command while its output is shown; ends it at the limit.
pub(crate) fn shown(command: &mut Command, limit: Duration) -> Result<Finished> {
    eprintln!("  $ {}", describe(command));
    follow(command, limit, |line| eprintln!("  {line}"))
}

/// As `shown`, for one of several at a time: everything is shown in one piece when the command has ended.
pub(crate) fn shown_at_end(command: &mut Command, limit: Duration) -> Result<Finished> {
    let finished = follow(command, limit, |_| ())?;
    let mut text = format!("  $ {}\n", describe(command));
    for line in finished.output.lines() {
        let _ = writeln!(text, "  {line}");
    }
    eprint!("{text}");
    Ok(finished)
}

/// Runs the command silently; its output is part of the error when it fails.
pub(crate) fn quiet(command: &mut Command, limit: Duration) -> Result<String> {
    let text = describe(command);
    let finished = follow(command, limit, |_| ())?;
    if !finished.success {
        bail!("`{text}` failed:\n{}", indented(&finished.output));
    }
    Ok(finished.output)
}

/// The command as one would type it, with the repository's paths shortened.
pub(crate) fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let text: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    text.join(" ")
        .replace(&format!("{}/", crate::project::root().display()), "")
}

fn follow(command: &mut Command, limit: Duration, mut show: impl FnMut(&str)) -> Result<Finished> {
    interrupt::check()?;
    let (reader, writer) = std::io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    // A group of its own: the terminal's Ctrl-C goes to us alone, and we can end all of it.
    command.process_group(0);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    // Our copies of the pipe's writing end must go, or the reader would never see its end.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let lines = lines_of(reader);
    let mut output = String::new();
    let stopped = collect(&mut child, &lines, limit, |line| {
        show(line);
        output.push_str(&without_colours(line));
        output.push('\n');
    });
    if let Some(reason) = stopped {
        let _ = end(&mut child);
        bail!("{program} was ended: {reason}");
    }
    let status = child.wait()?;
    Ok(Finished {
        success: status.success(),
        output,
    })
}

fn lines_of(reader: PipeReader) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
            if sender
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                break;
            }
        }
    });
    receiver
}

/// Hands on lines until the program ended; a reason when it must be ended before.
fn collect(
    child: &mut Child,
    lines: &Receiver<String>,
    limit: Duration,
    mut take: impl FnMut(&str),
) -> Option<String> {
    let started = Instant::now();
    let mut heard = Instant::now();
    let mut ended: Option<Instant> = None;
    loop {
        match lines.recv_timeout(TICK) {
            Ok(line) => {
                heard = Instant::now();
                take(&line);
            }
            Err(RecvTimeoutError::Disconnected) => return None,
            // The program is gone, yet something it left behind still holds the pipe.
            Err(RecvTimeoutError::Timeout) if ended.is_some_and(|at| at.elapsed() > LINGER) => {
                return None;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if ended.is_none() && matches!(child.try_wait(), Ok(Some(_))) {
            ended = Some(Instant::now());
        }
        if interrupt::requested() {
            return Some("interrupted".to_owned());
        }
        if started.elapsed() > limit {
            return Some(format!("it took more than {} s", limit.as_secs()));
        }
        if heard.elapsed() > HEARTBEAT {
            heard = Instant::now();
            eprintln!("  … still running after {} s", started.elapsed().as_secs());
        }
    }
}

/// The same command, told to end should this process be killed without a chance to end it.
pub(crate) fn tied(command: &Command) -> Command {
    let mut tied = Command::new("setpriv");
    tied.args(["--pdeathsig", "TERM", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(name, value),
            None => tied.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        tied.current_dir(folder);
    }
    tied
}

/// Asks a process and its group to end, then insists.
pub(crate) fn end(child: &mut Child) -> Result<ExitStatus> {
    end_with(child, Signal::TERM)
}

/// As `end`, with the signal the program takes for a graceful stop.
pub(crate) fn end_with(child: &mut Child, ask: Signal) -> Result<ExitStatus> {
    if let Some(status) = child.try_wait()? {
        return Ok(status);
    }
    let pid = Pid::from_child(child);
    let _ = rustix::process::kill_process(pid, ask);
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = kill_process_group(pid, Signal::KILL);
    Ok(child.wait()?)
}

fn indented(text: &str) -> String {
    const LAST_LINES: usize = 40;
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(LAST_LINES);
    lines[from..]
        .iter()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Removes `ESC [ … letter`, so that counts can be read from coloured output.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        let end = after
            .find(|c: char| c.is_ascii_alphabetic())
            .map_or(after.len(), |at| at + 1);
        rest = &after[end..];
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn colours_do_not_hide_words() {
        assert_eq!(
            without_colours("\x1b[1m\x1b[32m12\x1b[0m passed"),
            "12 passed"
        );
    }

    #[test]
    fn both_streams_are_kept() {
        let output = quiet(&mut sh("echo one; echo two >&2"), HEARTBEAT).unwrap();
        assert_eq!(output, "one\ntwo\n");
    }

    #[test]
    fn a_failure_tells_what_was_printed() {
        let error = quiet(&mut sh("echo reason; exit 3"), HEARTBEAT).unwrap_err();
        assert!(error.to_string().contains("reason"));
    }

    #[test]
    fn a_program_past_its_limit_is_ended() {
        let started = Instant::now();
        let error = quiet(&mut sh("exec sleep 60"), Duration::from_millis(300)).unwrap_err();
        assert!(error.to_string().contains("more than"));
        assert!(started.elapsed() < PATIENCE);
    }
}
