//! The home page at 80 % of what the stack can do: latency at a fixed rate, without coordinated omission.

use anyhow::Result;

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
        let load = Open::at_share(turn, &server, &site.path, 0.8)?;
        let timings = load.run(server.address)?;
        let all = load.requests().max(1.0);
        Ok(vec![Reading {
            case: "80 % of capacity".to_owned(),
            values: vec![
                (P99, quantile(&timings.good, 0.99)),
                (P50, quantile(&timings.good, 0.5)),
                (RATE, load.rate),
                (FAILED, 100.0 * timings.bad() as f64 / all),
            ],
        }])
    }
}
