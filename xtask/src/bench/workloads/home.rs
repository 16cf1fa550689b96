//! (a) The portfolio's home page, on PostgreSQL.

use anyhow::Result;

use crate::bench::closed::Closed;
use crate::bench::engine::Turn;
use crate::bench::workload::{Reading, Workload};

pub(super) struct Home;

impl Workload for Home {
    fn name(&self) -> &'static str {
        "home"
    }

    fn title(&self) -> String {
        "The portfolio's home page, on PostgreSQL".to_owned()
    }

    fn is_quick(&self) -> bool {
        true
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.portfolio()?;
        let paths = [site.path.clone()];
        let server = turn.serve(&turn.job(&site), &paths)?;
        turn.by_connections(&server, &Closed::gets(&paths, 0), &[1, 16, 64, 256], &[16])
    }
}
