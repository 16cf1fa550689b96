//! (g) A browser's visit: a page, twelve assets, twelve pictures.

use std::path::Path;
use std::rc::Rc;

use anyhow::{Result, ensure};

use crate::bench::closed::Closed;
use crate::bench::engine::Turn;
use crate::bench::site::Site;
use crate::bench::stack::{Job, Stack};
use crate::bench::workload::{Column, P99, Reading, Workload, serving_uploads};
use crate::bench::world::World;

pub(super) struct Visit;

const ASSETS: usize = 12;
const PICTURES: usize = 12;
const VISITS: Column = Column::more("visits/s", "", 1);

impl Workload for Visit {
    fn name(&self) -> &'static str {
        "visit"
    }

    fn title(&self) -> String {
        "A browser's visit: a page, twelve assets, twelve pictures".to_owned()
    }

    fn remark(&self) -> &'static str {
        "p99 is that of one request. App servers alone serve no uploads and take no part."
    }

    fn stacks(&self, usual: &[Rc<dyn Stack>], _world: &World) -> Result<Vec<Rc<dyn Stack>>> {
        Ok(serving_uploads(usual))
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.portfolio()?;
        let paths = paths(&site)?;
        let requests = paths.len() as f64;
        let mut readings = Vec::new();
        for tls in [false, true] {
            let server = turn.serve(
                &Job {
                    tls,
                    ..turn.job(&site)
                },
                &paths,
            )?;
            let load = Closed {
                http2: tls,
                ..Closed::gets(&paths, 16)
            };
            let load = turn.measure(&load, &server)?;
            readings.push(Reading {
                case: if tls { "TLS, HTTP/2" } else { "HTTP/1.1" }.to_owned(),
                values: vec![
                    (VISITS, load.requests_per_second / requests),
                    (P99, load.p99_ms),
                ],
            });
        }
        Ok(readings)
    }
}

/// The page first; then the same files on every run, chosen by name.
fn paths(site: &Site) -> Result<Vec<String>> {
    let mut paths = vec![site.path.clone()];
    for (url, count) in [("/static/", ASSETS), ("/media/", PICTURES)] {
        let mut found = Vec::new();
        for (prefix, folder) in site.files.iter().filter(|(prefix, _)| *prefix == url) {
            collect(folder, prefix, &mut found)?;
        }
        found.retain(|path| {
            [".css", ".js", ".svg", ".jpg", ".webp", ".png"]
                .iter()
                .any(|end| path.ends_with(end))
        });
        // Those of the workload `files` are no pictures.
        found.retain(|path| !path.contains("-kB") && !path.contains("-MB"));
        found.sort();
        ensure!(
            found.len() >= count,
            "only {} files below {url}",
            found.len()
        );
        paths.extend(found.into_iter().take(count));
    }
    Ok(paths)
}

fn collect(folder: &Path, url: &str, found: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{url}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}
