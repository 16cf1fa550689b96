//! (k) Waiting: from the command to the first 200.

use anyhow::Result;

use crate::bench::engine::Turn;
use crate::bench::workload::{Column, Reading, Workload};

pub(super) struct Start;

const SECONDS: Column = Column::less("first 200 after", "s", 2);

impl Workload for Start {
    fn name(&self) -> &'static str {
        "start"
    }

    fn title(&self) -> String {
        "From the command to the first 200".to_owned()
    }

    fn remark(&self) -> &'static str {
        "Hotclub's very first start installs, makes the database, migrates and collects static files; the others \
         have all that done for them beforehand."
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.portfolio()?;
        let job = turn.job(&site);
        let mut readings = Vec::new();
        let mut add = |case: &str, seconds: f64| {
            readings.push(Reading {
                case: case.to_owned(),
                values: vec![(SECONDS, seconds)],
            });
        };
        // One before that is thrown away: files are in memory then, and Hotclub has done what it does once.
        drop(turn.serve(&job, &[])?);
        add(
            "with everything in place",
            turn.serve(&job, &[])?.took.as_secs_f64(),
        );
        if turn.round == 1
            && let Some(fresh) = turn.stack.start_fresh(&job)
        {
            add("the very first", fresh?.took.as_secs_f64());
        }
        Ok(readings)
    }
}
