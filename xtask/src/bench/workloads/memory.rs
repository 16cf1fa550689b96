//! (j) Memory (PSS) of 1, 4 and 8 workers, idle and after load.

use std::rc::Rc;

use anyhow::Result;

use crate::bench::closed::Closed;
use crate::bench::engine::Turn;
use crate::bench::memory;
use crate::bench::plan::Extent;
use crate::bench::stack::{self, Job, Stack};
use crate::bench::workload::{Column, Reading, Workload, chosen};
use crate::bench::world::World;

pub(super) struct Memory;

const LOADED: Column = Column::less("after load", "MiB", 0);
const IDLE: Column = Column::less("idle", "MiB", 0);
const PYTHON: Column = Column::less("after load, Python alone", "MiB", 0);

impl Workload for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn title(&self) -> String {
        "Memory of the portfolio (PSS)".to_owned()
    }

    fn remark(&self) -> &'static str {
        "All processes of the app server, without fronts and databases; Hotclub's front is part of Hotclub. \
         Gunicorn runs with --preload here, its thriftiest way."
    }

    fn stacks(&self, usual: &[Rc<dyn Stack>], world: &World) -> Result<Vec<Rc<dyn Stack>>> {
        // Without a front, `nginx+gunicorn` and `gunicorn` are one.
        let mut stacks = chosen(usual, |name| !name.contains('+'));
        for name in ["gunicorn", "uwsgi"] {
            if usual
                .iter()
                .any(|stack| stack.name() == format!("nginx+{name}"))
            {
                stacks.push(stack::by_name(name, world)?);
            }
        }
        Ok(stacks)
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.portfolio()?;
        let paths = [site.path.clone()];
        let mut readings = Vec::new();
        let counts: &[u32] = match turn.plan().extent {
            // Memory hardly varies: one round says it.
            Extent::Usual if turn.round > 1 => &[],
            Extent::Quick => &[4],
            Extent::Usual | Extent::Full => &[4, 1, 8],
        };
        for &workers in counts {
            let job = Job {
                workers,
                with_front: false,
                ..turn.job(&site)
            };
            let server = turn.serve(&job, &paths)?;
            let idle = memory::of(&server);
            turn.measure(&Closed::gets(&paths, 16), &server)?;
            let loaded = memory::of(&server);
            readings.push(Reading {
                case: format!("{workers} worker{}", if workers == 1 { "" } else { "s" }),
                values: vec![
                    (LOADED, loaded.all),
                    (IDLE, idle.all),
                    (PYTHON, loaded.python),
                ],
            });
        }
        Ok(readings)
    }
}
