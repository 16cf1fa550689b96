//! The home page at 80 % of what the stack can do: latency at a fixed rate, without coordinated omission.

use std::time::Duration;

use anyhow::Result;

use crate::bench::closed::Closed;
use crate::bench::engine::Turn;
use crate::bench::open::{Open, quantile};
use crate::bench::workload::{Column, P50, P99, Reading, Workload};

pub(super) struct Steady;

const RATE: Column = Column::more("rate", "/s", 0);
const FAILED: Column = Column::less("failed", "%", 1);

impl Workload for Steady {
    fn name(&self) -> &'static str {
        "steady"
    }

    fn title(&self) -> String {
        "The home page at 80 % of what each stack can do".to_owned()
    }

    fn remark(&self) -> &'static str {
        "Requests come at a fixed rate, whatever became of those before; latency counts from when each was due."
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.portfolio()?;
        let paths = [site.path.clone()];
        let server = turn.serve(&turn.job(&site), &paths)?;
        let most = turn
            .measure(&Closed::gets(&paths, 16), &server)?
            .requests_per_second;
        let load = Open {
            path: &site.path,
            rate: most * 0.8,
            length: turn.plan().measure,
            patience: Duration::from_secs(10),
        };
        let timings = load.run(server.address)?;
        let all = (most * 0.8 * load.length.as_secs_f64()).max(1.0);
        Ok(vec![Reading {
            case: "80 % of capacity".to_owned(),
            values: vec![
                (P99, quantile(&timings.good, 0.99)),
                (P50, quantile(&timings.good, 0.5)),
                (RATE, load.rate),
                (
                    FAILED,
                    100.0 * (timings.failed + timings.refused.len() as u64) as f64 / all,
                ),
            ],
        }])
    }
}
