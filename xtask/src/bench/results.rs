//! What a run found: kept raw as JSON, summed up as Markdown (medians, and the range beside them).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use super::plan::Extent;
use super::workload::{Column, Reading, Workload};
use crate::project;

#[derive(Serialize)]
pub(super) struct Results {
    pub(super) facts: BTreeMap<String, String>,
    pub(super) tables: Vec<Table>,
    /// Only a usual or a full run is a measurement to keep.
    #[serde(skip)]
    pub(super) kept: bool,
}

/// All that a workload read off.
#[derive(Serialize)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) remark: String,
    pub(super) cases: Vec<Case>,
    /// Stacks that did not take part, and why.
    pub(super) left_out: Vec<(String, String)>,
    /// One of them because something went wrong.
    pub(super) failed: bool,
    /// By stack.
    pub(super) commands: BTreeMap<String, Vec<String>>,
    /// By stack and file.
    pub(super) configs: BTreeMap<String, String>,
}

#[derive(Serialize)]
pub(super) struct Case {
    pub(super) name: String,
    #[serde(skip)]
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
}

/// A stack's values, by column, in the order of rounds.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) stack: String,
    pub(super) values: BTreeMap<&'static str, Vec<f64>>,
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

impl Table {
    pub(super) fn new(workload: &dyn Workload) -> Self {
        Self {
            name: workload.name().to_owned(),
            title: workload.title(),
            remark: workload.remark().to_owned(),
            cases: Vec::new(),
            left_out: Vec::new(),
            failed: false,
            commands: BTreeMap::new(),
            configs: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, stack: &str, readings: Vec<Reading>) {
        for reading in readings {
            self.case(reading.case).add(stack, reading.values);
        }
    }

    fn case(&mut self, name: String) -> &mut Case {
        let at = self.cases.iter().position(|case| case.name == name);
        let at = at.unwrap_or_else(|| {
            self.cases.push(Case {
                name,
                columns: Vec::new(),
                rows: Vec::new(),
            });
            self.cases.len() - 1
        });
        &mut self.cases[at]
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n", self.title);
        for paragraph in [self.remark.as_str(), &self.absent()] {
            if !paragraph.is_empty() {
                let _ = writeln!(text, "{paragraph}\n");
            }
        }
        for case in &self.cases {
            case.write(&mut text);
        }
        text
    }

    fn absent(&self) -> String {
        let words = self
            .left_out
            .iter()
            .map(|(name, reason)| format!("{name} ({reason})"));
        let list = words.collect::<Vec<_>>().join(", ");
        if list.is_empty() {
            list
        } else {
            format!("Left out: {list}.")
        }
    }
}

impl Case {
    fn add(&mut self, stack: &str, values: Vec<(Column, f64)>) {
        let at = self.rows.iter().position(|row| row.stack == stack);
        let at = at.unwrap_or_else(|| {
            self.rows.push(Row {
                stack: stack.to_owned(),
                values: BTreeMap::new(),
            });
            self.rows.len() - 1
        });
        for (column, value) in values {
            if !self.columns.contains(&column) {
                self.columns.push(column);
            }
            self.rows[at]
                .values
                .entry(column.name)
                .or_default()
                .push(value);
        }
    }

    /// The best first.
    pub(super) fn sorted(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        if let Some(first) = self.columns.first() {
            let median = |row: &Row| row.spread(*first).map_or(f64::NAN, |spread| spread.median);
            rows.sort_by(|one, other| median(one).total_cmp(&median(other)));
            if first.more_is_better {
                rows.reverse();
            }
        }
        rows
    }

    fn best(&self, column: Column) -> Option<f64> {
        let spreads = self.rows.iter().filter_map(|row| row.spread(column));
        let medians = spreads.map(|spread| spread.median);
        medians.reduce(if column.more_is_better {
            f64::max
        } else {
            f64::min
        })
    }

    fn write(&self, text: &mut String) {
        let _ = write!(text, "| {} |", self.name);
        for column in &self.columns {
            let _ = write!(text, " {} (range) |", column.name);
        }
        let _ = writeln!(text, "\n|---|{}", "---|".repeat(self.columns.len()));
        for row in self.sorted() {
            let _ = write!(text, "| {} |", row.stack);
            for column in &self.columns {
                let cell = row.spread(*column).map_or_else(String::new, |spread| {
                    spread.cell(*column, self.best(*column) == Some(spread.median))
                });
                let _ = write!(text, " {cell} |");
            }
            text.push('\n');
        }
        text.push('\n');
    }
}

impl Row {
    pub(super) fn spread(&self, column: Column) -> Option<Spread> {
        let values = self.values.get(column.name)?;
        Some(Spread::of(values.iter().copied()))
    }
}

impl Spread {
    /// The best of a column is bold, whoever it is.
    fn cell(self, column: Column, best: bool) -> String {
        let Column { unit, digits, .. } = column;
        let space = if unit.is_empty() { "" } else { " " };
        let mark = if best { "**" } else { "" };
        let median = format!("{mark}{:.digits$}{space}{unit}{mark}", self.median);
        if self.low == self.high {
            return median;
        }
        format!("{median} ({:.digits$}–{:.digits$})", self.low, self.high)
    }
}

impl Results {
    /// Writes the raw numbers to `bench/results/DATE/`, those of a quick run below `target/`.
    pub(super) fn save(&self) -> Result<PathBuf> {
        let date = self
            .facts
            .get("date")
            .and_then(|date| date.split(' ').next());
        let parent = if self.kept {
            project::root().join("bench/results")
        } else {
            project::target().join("bench")
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
        for table in &self.tables {
            text.push_str(&table.markdown());
        }
        for (name, value) in &self.facts {
            let _ = writeln!(text, "- {name}: {value}");
        }
        text
    }

    /// A run of some of the workloads is no measurement of all.
    pub(super) fn is_kept(extent: Extent, only: &[String]) -> bool {
        extent != Extent::Quick && only.is_empty()
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
