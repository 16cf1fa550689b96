//! (i) Twice as many requests as the stack can answer: how many good answers, how late, and what becomes of
//! the rest.

use anyhow::Result;

use crate::bench::engine::Turn;
use crate::bench::open::{Open, quantile};
use crate::bench::workload::{Column, Reading, Workload};

pub(super) struct Overload;

const GOOD: Column = Column::more("good answers", "% of capacity", 0);
const GOOD_P99: Column = Column::less("good, p99", "ms", 0);
const REFUSED: Column = Column::less("503, p99", "ms", 0);
const FAILED: Column = Column::less("neither", "%", 1);

impl Workload for Overload {
    fn name(&self) -> &'static str {
        "overload"
    }

    fn title(&self) -> String {
        "The home page asked for twice as often as each stack can answer".to_owned()
    }

    fn remark(&self) -> &'static str {
        "Who asks waits for ten seconds and no longer. Capacity is what the stack does at 16 connections."
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.portfolio()?;
        let paths = [site.path.clone()];
        let server = turn.serve(&turn.job(&site), &paths)?;
        let load = Open {
            length: turn.plan().measure * 2,
            ..Open::at_share(turn, &server, &site.path, 2.0)?
        };
        let timings = load.run(server.address)?;
        let possible = load.requests() / 2.0;
        let mut values = vec![
            // Some are answered after the last was asked: more than 100 % is possible.
            (GOOD, 100.0 * timings.good.len() as f64 / possible),
            (GOOD_P99, quantile(&timings.good, 0.99)),
            (FAILED, 100.0 * timings.failed as f64 / (2.0 * possible)),
        ];
        if !timings.refused.is_empty() {
            values.push((REFUSED, quantile(&timings.refused, 0.99)));
        }
        Ok(vec![Reading {
            case: "2 × capacity".to_owned(),
            values,
        }])
    }
}
