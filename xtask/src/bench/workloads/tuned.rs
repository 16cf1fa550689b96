//! The portfolio's home page as the guide's author wrote its settings, with Hotclub's tuning, and with a cache of two
//! seconds on top, beside what peers make of the same settings.

use std::rc::Rc;

use anyhow::Result;

use crate::bench::closed::Closed;
use crate::bench::engine::Turn;
use crate::bench::stack::{self, Stack};
use crate::bench::stacks::caching_nginx::CachingNginx;
use crate::bench::stacks::hotclub::Hotclub;
use crate::bench::workload::{Reading, Workload};
use crate::bench::world::World;

pub(super) struct Tuned;

/// Names, and what `hotclub.toml` says.
const ROWS: [(&str, &str); 3] = [
    ("hotclub, as the settings stand", "[app]\ntune = false\n"),
    ("hotclub, tuned", ""),
    ("hotclub, tuned and cached", "[cache]\nanonymous = \"2s\"\n"),
];

impl Workload for Tuned {
    fn name(&self) -> &'static str {
        "tuned"
    }

    fn title(&self) -> String {
        "The home page: settings, tuning, cache".to_owned()
    }

    fn remark(&self) -> &'static str {
        "The settings name template loaders without the cached one, and CONN_MAX_AGE where Django does not look. \
         Caches keep a page for two seconds for visitors without cookies."
    }

    fn stacks(&self, usual: &[Rc<dyn Stack>], world: &World) -> Result<Vec<Rc<dyn Stack>>> {
        let is_wanted = |name: &str| usual.iter().any(|stack| stack.name() == name);
        let mut stacks: Vec<Rc<dyn Stack>> = Vec::new();
        if is_wanted("hotclub") {
            for (name, settings) in ROWS {
                stacks.push(Rc::new(Hotclub::of_this_tree(world)?.set(name, settings)));
            }
        }
        if is_wanted("nginx+gunicorn") {
            stacks.push(stack::by_name("nginx+gunicorn", world)?);
            stacks.push(Rc::new(CachingNginx::new(world)?));
        }
        if is_wanted("granian") {
            stacks.push(stack::by_name("granian", world)?);
        }
        Ok(stacks)
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.portfolio()?;
        let paths = [site.path.clone()];
        let server = turn.serve(&turn.job(&site), &paths)?;
        turn.by_connections(&server, &Closed::gets(&paths, 0), &[16, 1, 64], &[16])
    }
}
