//! What a run prints about itself: headings, the table at the end, the closing line.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use super::count::Count;
use super::step::{Outcome, Step};

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
}

impl Row {
    pub(crate) fn not_run(name: &'static str) -> Self {
        let outcome = Outcome::broken("not run".to_owned());
        Self {
            name,
            outcome,
            took: Duration::ZERO,
        }
    }

    pub(crate) fn failed(&self) -> bool {
        self.outcome.tests.failed > 0 || !self.outcome.problems.is_empty()
    }

    /// The step's tests, a problem of the step counting as one failure. A check that found nothing
    /// counts as no test: "passed" is about tests alone.
    fn counted(&self) -> Count {
        let mut count = self.outcome.tests;
        // A runner that reported its failed tests leaves no problem beside them.
        count.failed += self.outcome.problems.len() as u64;
        count
    }
}

pub(crate) fn list(steps: &[Step]) {
    println!("setup        installs what is missing; always runs");
    for step in steps {
        println!("{:<12} {}", step.name, step.about);
    }
}

pub(crate) fn heading(name: &str) {
    eprintln!("\n{}", paint("1", &format!("── {name}")));
}

pub(crate) fn table(rows: &[Row], took: Duration) {
    eprintln!(
        "\n{}",
        paint(
            "1",
            "step          result   passed   failed  skipped      time"
        )
    );
    for row in rows {
        let count = row.counted();
        let (colour, result) = if row.failed() {
            ("31", "FAILED")
        } else {
            ("32", "ok")
        };
        eprintln!(
            "{:<12}  {} {:>8} {:>8} {:>8} {:>8.1}s",
            row.name,
            paint(colour, &format!("{result:<6}")),
            number(count.passed),
            number(count.failed),
            number(count.skipped),
            row.took.as_secs_f64()
        );
    }
    eprintln!("{:<50}{:>7.1}s", "", took.as_secs_f64());
    for row in rows {
        for problem in &row.outcome.problems {
            eprintln!("{} {}: {problem}", paint("31", "failed:"), row.name);
        }
        for note in &row.outcome.notes {
            eprintln!("{} {}: {note}", paint("33", "note:"), row.name);
        }
    }
}

/// Prints the closing line, alone and last; CI reads it.
pub(crate) fn close(rows: &[Row]) -> ExitCode {
    let mut sum = Count::default();
    for row in rows {
        sum += row.counted();
    }
    if sum.total() == 0 {
        eprintln!("no test ran");
    }
    println!(
        "{} passed, {} failed, {} skipped",
        sum.passed, sum.failed, sum.skipped
    );
    let checks_only = rows
        .iter()
        .all(|row| matches!(row.name, "setup" | "fmt" | "clippy" | "deny"));
    let good = sum.failed == 0 && (sum.passed > 0 || checks_only);
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn number(value: u64) -> String {
    if value == 0 {
        "–".to_owned()
    } else {
        value.to_string()
    }
}

fn paint(code: &str, text: &str) -> String {
    if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_fails_counts_as_one_failure_and_one_that_passes_as_no_test() {
        let broken = Row {
            name: "clippy",
            outcome: Outcome::broken("a lint".to_owned()),
            took: Duration::ZERO,
        };
        assert_eq!(broken.counted().failed, 1);
        let fine = Row {
            name: "fmt",
            outcome: Outcome::default(),
            took: Duration::ZERO,
        };
        assert_eq!(fine.counted(), Count::default());
    }
}
