//! (c) A Django page without a query.

use anyhow::Result;

use crate::bench::closed::Closed;
use crate::bench::engine::Turn;
use crate::bench::workload::{Reading, Workload};

pub(super) struct Plain;

impl Workload for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn title(&self) -> String {
        "A Django page without a query".to_owned()
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.plain()?;
        let paths = [site.path.clone()];
        let server = turn.serve(&turn.job(&site), &paths)?;
        turn.by_connections(&server, &Closed::gets(&paths, 0), &[16, 1, 64, 256], &[16])
    }
}
