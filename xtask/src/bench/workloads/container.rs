//! The portfolio's home page with the app on the host and in a container: the same front, workers and database.

use std::rc::Rc;

use anyhow::Result;

use crate::bench::closed::Closed;
use crate::bench::engine::Turn;
use crate::bench::stack::Stack;
use crate::bench::stacks::contained::Contained;
use crate::bench::stacks::hotclub::Hotclub;
use crate::bench::workload::{Reading, Workload};
use crate::bench::world::World;
use crate::setup::{self, Need};

pub(super) struct Container;

impl Workload for Container {
    fn name(&self) -> &'static str {
        "container"
    }

    fn title(&self) -> String {
        "The home page: on the host and in a container".to_owned()
    }

    fn remark(&self) -> &'static str {
        "The image is a small Debian with its own Python and packages, so that versions may differ in a patch."
    }

    fn is_usual(&self) -> bool {
        false
    }

    fn stacks(&self, usual: &[Rc<dyn Stack>], world: &World) -> Result<Vec<Rc<dyn Stack>>> {
        if !usual.iter().any(|stack| stack.name() == "hotclub") {
            return Ok(Vec::new());
        }
        let tools = setup::provide(&[Need::Docker]);
        if let Some((need, error)) = tools.missing.first() {
            anyhow::bail!("{}: {error:#}", need.name());
        }
        let host = Hotclub::of_this_tree(world)?.set("hotclub, on the host", "");
        let contained = Contained::new(Hotclub::of_this_tree(world)?);
        Ok(vec![Rc::new(host), Rc::new(contained)])
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.portfolio()?;
        let paths = [site.path.clone()];
        let server = turn.serve(&turn.job(&site), &paths)?;
        turn.by_connections(&server, &Closed::gets(&paths, 0), &[16, 1, 64], &[16])
    }
}
