//! What a run found: kept raw as JSON, summed up as Markdown (medians, and the range beside them).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use super::wrk::Load;
use crate::project;

#[derive(Default, Serialize)]
pub(super) struct Results {
    pub(super) facts: BTreeMap<String, String>,
    pub(super) scenarios: Vec<Scenario>,
    pub(super) startup: Vec<Startup>,
    pub(super) memory: Vec<Memory>,
    /// A quick run proves that the bench works; it is no measurement to keep.
    pub(super) quick: bool,
}

#[derive(Serialize)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) connections: u32,
    pub(super) workers: u32,
    pub(super) samples: BTreeMap<String, Samples>,
    pub(super) commands: BTreeMap<String, Vec<String>>,
}

#[derive(Default, Serialize)]
pub(super) struct Samples {
    pub(super) runs: Vec<Load>,
}

/// Seconds from the command to the first 200.
#[derive(Serialize)]
pub(super) struct Startup {
    pub(super) stack: String,
    pub(super) first_s: f64,
    pub(super) later_s: Vec<f64>,
}

#[derive(Serialize)]
pub(super) struct Memory {
    pub(super) stack: String,
    pub(super) workers: u32,
    pub(super) total_mib: f64,
    pub(super) processes: Vec<ProcessMemory>,
}

#[derive(Serialize)]
pub(super) struct ProcessMemory {
    pub(super) command: String,
    pub(super) mib: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let (last, middle) = (sorted.len().saturating_sub(1), sorted.len() / 2);
        let median = if sorted.len() % 2 == 1 {
            at(middle)
        } else {
            f64::midpoint(at(last / 2), at(middle))
        };
        Self {
            low: at(0),
            median,
            high: at(last),
        }
    }
}

impl Samples {
    pub(super) fn requests_per_second(&self) -> Spread {
        Spread::of(self.runs.iter().map(|run| run.requests_per_second))
    }

    fn p50_ms(&self) -> Spread {
        Spread::of(self.runs.iter().map(|run| run.p50_ms))
    }

    fn p99_ms(&self) -> Spread {
        Spread::of(self.runs.iter().map(|run| run.p99_ms))
    }
}

impl Results {
    /// Writes the raw numbers to `bench/results/DATE/`, those of a quick run below `target/`.
    pub(super) fn save(&self) -> Result<PathBuf> {
        let date = self
            .facts
            .get("date")
            .and_then(|date| date.split(' ').next());
        let parent = if self.quick {
            project::target().join("bench")
        } else {
            project::root().join("bench/results")
        };
        let folder = parent.join(date.unwrap_or("undated"));
        fs::create_dir_all(&folder)?;
        let text = serde_json::to_string_pretty(self)?;
        fs::write(
            folder.join("results.json"),
            without_local_paths(&text) + "\n",
        )?;
        fs::write(folder.join("results.md"), self.markdown())?;
        Ok(folder)
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = String::new();
        for scenario in &self.scenarios {
            scenario.write_table(&mut text);
        }
        self.write_startup(&mut text);
        self.write_memory(&mut text);
        for (name, value) in &self.facts {
            let _ = writeln!(text, "- {name}: {value}");
        }
        text
    }

    fn write_startup(&self, text: &mut String) {
        if self.startup.is_empty() {
            return;
        }
        text.push_str("### From the command to the first 200\n\n");
        text.push_str("| stack | first start | later starts |\n|---|---|---|\n");
        for row in &self.startup {
            let later = Spread::of(row.later_s.iter().copied());
            let _ = writeln!(
                text,
                "| {} | {:.2} s | {:.2} s ({:.2}–{:.2}) |",
                row.stack, row.first_s, later.median, later.low, later.high
            );
        }
        text.push_str(
            "\nHotclub's first start installs, makes the database, migrates and collects static \
             files; the others' have all that done for them beforehand.\n\n",
        );
    }

    fn write_memory(&self, text: &mut String) {
        let Some(workers) = self.memory.first().map(|row| row.workers) else {
            return;
        };
        let _ = writeln!(text, "### Memory of {workers} workers after load (PSS)\n");
        text.push_str("| stack | all processes | of them Python |\n|---|---|---|\n");
        for row in &self.memory {
            let _ = writeln!(
                text,
                "| {} | {:.0} MiB | {:.0} MiB |",
                row.label(),
                row.total_mib,
                row.python_mib()
            );
        }
        text.push_str("\nThe front is part of Hotclub's; NGINX is not part of Gunicorn's.\n\n");
    }
}

impl Scenario {
    fn write_table(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "### {}: {} connections, {} workers\n",
            self.title, self.connections, self.workers
        );
        text.push_str("| stack | requests/s (range) | p50 | p99 (range) |\n|---|---|---|---|\n");
        for (stack, samples) in &self.samples {
            let (rate, p99) = (samples.requests_per_second(), samples.p99_ms());
            let _ = writeln!(
                text,
                "| {stack} | {:.0} ({:.0}–{:.0}) | {:.1} ms | {:.1} ms ({:.1}–{:.1}) |",
                rate.median,
                rate.low,
                rate.high,
                samples.p50_ms().median,
                p99.median,
                p99.low,
                p99.high
            );
        }
        text.push('\n');
    }
}

impl Memory {
    /// The stacks' names, where memory is about the app server alone.
    pub(super) fn label(&self) -> &str {
        if self.stack == "nginx-gunicorn" {
            "gunicorn --preload"
        } else {
            &self.stack
        }
    }

    fn python_mib(&self) -> f64 {
        // The fork server and the workers name themselves hotclub-fork and hotclub-worker.
        let other = |command: &str| command == "hotclub" || command.starts_with("nginx");
        self.processes
            .iter()
            .filter(|process| !other(&process.command))
            .map(|p| p.mib)
            .sum()
    }
}

/// Results are published: where the tree lay on this machine is nobody's business.
pub(crate) fn without_local_paths(text: &str) -> String {
    let temporary = std::env::temp_dir();
    text.replace(&*project::root().to_string_lossy(), ".")
        .replace(&*temporary.to_string_lossy(), "$TMP")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_ones() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0].into_iter());
        assert_eq!(
            spread,
            Spread {
                low: 1.0,
                median: 2.5,
                high: 4.0
            }
        );
    }

    #[test]
    fn one_value_is_its_own_median() {
        let spread = Spread::of([7.0].into_iter());
        assert_eq!(
            spread,
            Spread {
                low: 7.0,
                median: 7.0,
                high: 7.0
            }
        );
    }
}
