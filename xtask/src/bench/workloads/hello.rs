//! (d) A bare WSGI app: what the server costs when the app costs nothing.

use anyhow::Result;

use crate::bench::closed::Closed;
use crate::bench::engine::Turn;
use crate::bench::workload::{Reading, Workload};

pub(super) struct Hello;

impl Workload for Hello {
    fn name(&self) -> &'static str {
        "hello"
    }

    fn title(&self) -> String {
        "A bare WSGI app".to_owned()
    }

    fn remark(&self) -> &'static str {
        "What a server costs by itself. No site is like that."
    }

    fn is_quick(&self) -> bool {
        true
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.hello()?;
        let paths = [site.path.clone()];
        let server = turn.serve(&turn.job(&site), &paths)?;
        turn.by_connections(
            &server,
            &Closed::gets(&paths, 0),
            &[64, 1, 16, 256],
            &[64, 1],
        )
    }
}
