//! (h) 200 clients with a slow network fetch and post, while the home page is asked for at a fixed rate.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};

use super::files;
use crate::bench::crowd::Slow;
use crate::bench::engine::Turn;
use crate::bench::open::{Open, Timings, quantile};
use crate::bench::server::Server;
use crate::bench::stack::Stack;
use crate::bench::workload::{Column, P99, Reading, Workload, serving_uploads};
use crate::bench::world::World;

pub(super) struct SlowNetwork;

const TIMES: Column = Column::less("p99, times the undisturbed", "", 2);
const ALONE: Column = Column::less("p99 undisturbed", "ms", 2);
const SLOW: Column = Column::more("slow answers/s", "", 0);
const FAILED: Column = Column::less("failed", "%", 1);

const CLIENTS: usize = 200;
const BYTES_PER_SECOND: f64 = 50_000.0;
/// Of what the stack can do: the slow ones' posts are asked of the app, too.
const SHARE: f64 = 0.5;

impl Workload for SlowNetwork {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn title(&self) -> String {
        "The home page, beside 200 clients at 50 kB/s".to_owned()
    }

    fn remark(&self) -> &'static str {
        "The page is asked for at half of what each stack can do; each slow client fetches 100 kB of a picture, then \
         posts 100 kB, and so on. App servers alone serve no pictures and take no part."
    }

    fn stacks(&self, usual: &[Rc<dyn Stack>], _world: &World) -> Result<Vec<Rc<dyn Stack>>> {
        Ok(serving_uploads(usual))
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.portfolio()?;
        files::provide(&site)?;
        let paths = [site.path.clone()];
        let server = turn.serve(&turn.job(&site), &paths)?;
        let load = Open {
            length: turn.plan().measure * 2,
            ..Open::at_share(turn, &server, &site.path, SHARE)?
        };
        let alone = load.run(server.address)?;
        let (timings, slow) = disturbed(&load, &server)?;
        let all = load.requests().max(1.0);
        let (before, with) = (quantile(&alone.good, 0.99), quantile(&timings.good, 0.99));
        Ok(vec![Reading {
            case: "200 slow clients".to_owned(),
            values: vec![
                (TIMES, with / before),
                (P99, with),
                (ALONE, before),
                (SLOW, slow as f64 / load.length.as_secs_f64()),
                (FAILED, 100.0 * timings.bad() as f64 / all),
            ],
        }])
    }
}

/// The same load while the slow ones are at it, and how many of those were answered.
fn disturbed(load: &Open<'_>, server: &Server) -> Result<(Timings, u64)> {
    let slow = Slow {
        count: CLIENTS,
        bytes_per_second: BYTES_PER_SECOND,
        fetch: files::HUNDRED,
        post: load.path,
        post_bytes: 100_000,
    };
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients = scope.spawn(|| slow.run(server.address, &stop));
        let timings = load.run(server.address);
        stop.store(true, Ordering::Relaxed);
        let answered = clients
            .join()
            .unwrap_or_else(|_| bail!("the slow clients ended"))?;
        Ok((timings?, answered))
    })
}
