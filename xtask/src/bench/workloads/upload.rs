//! (f) Uploads of 5 MB to an app that reads them to their end.

use anyhow::Result;

use crate::bench::closed::Closed;
use crate::bench::engine::Turn;
use crate::bench::workload::{Reading, Workload};

pub(super) struct Upload;

impl Workload for Upload {
    fn name(&self) -> &'static str {
        "upload"
    }

    fn title(&self) -> String {
        "Uploads of 5 MB".to_owned()
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.hello()?;
        let paths = [site.path.clone()];
        let server = turn.serve(&turn.job(&site), &paths)?;
        let load = Closed {
            upload: 5_000_000,
            ..Closed::gets(&paths, 0)
        };
        turn.by_connections(&server, &load, &[8, 1, 64], &[8])
    }
}
