//! (l) 10,000 connections that are kept and ask nothing.

use std::rc::Rc;

use anyhow::Result;

use super::files;
use crate::bench::crowd::Idle;
use crate::bench::engine::Turn;
use crate::bench::memory;
use crate::bench::plan::Extent;
use crate::bench::server::Server;
use crate::bench::stack::Stack;
use crate::bench::workload::{Column, Reading, Workload};
use crate::bench::world::World;

pub(super) struct IdleConnections;

const FRONT: Column = Column::less("front's memory", "MiB", 1);
const EACH: Column = Column::less("of it for one connection", "KiB", 2);
const BEFORE: Column = Column::less("before", "MiB", 1);
const OPEN: Column = Column::more("still open", "", 0);

impl Workload for IdleConnections {
    fn name(&self) -> &'static str {
        "idle"
    }

    fn title(&self) -> String {
        "Idle connections".to_owned()
    }

    fn remark(&self) -> &'static str {
        "Each was answered once (a file of 4 kB) and is kept. PSS of all processes but Python's and the database's; \
         Hotclub's supervisor is in it. What the kernel needs for a socket is the same for all and not in it."
    }

    fn stacks(&self, usual: &[Rc<dyn Stack>], world: &World) -> Result<Vec<Rc<dyn Stack>>> {
        files::Files.stacks(usual, world)
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.portfolio()?;
        files::provide(&site)?;
        let count = match turn.plan().extent {
            Extent::Quick => 1000,
            Extent::Usual | Extent::Full => 10_000,
        };
        let server = turn.serve(&turn.job(&site), &[])?;
        // What is made by the first requests is not the connections'.
        drop(Idle::connect(server.address, files::FOUR, 100)?);
        let before = front(&server);
        let idle = Idle::connect(server.address, files::FOUR, count)?;
        let with = front(&server);
        Ok(vec![Reading {
            case: format!("{count} connections"),
            values: vec![
                (FRONT, with),
                (EACH, (with - before) * 1024.0 / count as f64),
                (BEFORE, before),
                (OPEN, idle.open() as f64),
            ],
        }])
    }
}

fn front(server: &Server) -> f64 {
    let memory = memory::of(server);
    memory.all - memory.python
}
