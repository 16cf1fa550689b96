//! A workload: something that is asked of every stack in turn, and what is read off.
//!
//! To add one: a file in `workloads/` with a type that implements [`Workload`], and its line in [`all`].
//! The engine (`engine.rs`) does the rest: turns and rounds, leaving out who cannot, comparing answers,
//! medians and spread, raw results, tables, a chart of the first column.

use std::rc::Rc;

use anyhow::Result;

use super::engine::Turn;
use super::stack::Stack;
use super::workloads;
use super::world::World;

pub(super) trait Workload {
    /// For `--only`; also the chart's file name.
    fn name(&self) -> &'static str;

    /// As a heading: what is done.
    fn title(&self) -> String;

    /// One line for below the heading: what the reader must know to read the table. May be empty.
    fn remark(&self) -> &'static str {
        ""
    }

    /// Whether it belongs to a plain run, or only to `--full` and to being named.
    fn is_usual(&self) -> bool {
        true
    }

    /// Whether it belongs to `--quick`.
    fn is_quick(&self) -> bool {
        false
    }

    /// Who takes part. `usual` are the stacks that the command line asks for; a workload may choose
    /// among them or bring its own.
    fn stacks(&self, usual: &[Rc<dyn Stack>], _world: &World) -> Result<Vec<Rc<dyn Stack>>> {
        Ok(usual.to_vec())
    }

    /// One stack's turn in one round: start it (`turn.serve`), warm it up, measure it.
    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>>;
}

/// Those of the stacks whose names are wanted.
pub(super) fn chosen(usual: &[Rc<dyn Stack>], wanted: impl Fn(&str) -> bool) -> Vec<Rc<dyn Stack>> {
    let stacks = usual.iter().filter(|stack| wanted(stack.name()));
    stacks.cloned().collect()
}

/// Those that serve uploads: app servers alone do not, and HAProxy in front of one does not either.
pub(super) fn serving_uploads(usual: &[Rc<dyn Stack>]) -> Vec<Rc<dyn Stack>> {
    chosen(usual, |name| {
        name.starts_with("hotclub") || name.contains('+') && !name.starts_with("haproxy")
    })
}

/// In the order in which they are run and told.
pub(super) fn all() -> Vec<Box<dyn Workload>> {
    workloads::all()
}

/// What one turn read off, for one case of the workload (a number of connections, a file).
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) case: String,
    /// The first is the one that counts: tables are sorted by it, charts show it.
    pub(super) values: Vec<(Column, f64)>,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) more_is_better: bool,
    pub(super) digits: usize,
}

impl Column {
    pub(super) const fn more(name: &'static str, unit: &'static str, digits: usize) -> Self {
        Self {
            name,
            unit,
            more_is_better: true,
            digits,
        }
    }

    pub(super) const fn less(name: &'static str, unit: &'static str, digits: usize) -> Self {
        Self {
            more_is_better: false,
            ..Self::more(name, unit, digits)
        }
    }
}

pub(super) const RATE: Column = Column::more("requests/s", "", 0);
pub(super) const P50: Column = Column::less("p50", "ms", 2);
pub(super) const P99: Column = Column::less("p99", "ms", 2);
