//! (e) Files of a site: 4 KB, 100 KB, 10 MB, by whoever stands in front of the app.

use std::fs;
use std::rc::Rc;

use anyhow::Result;

use crate::bench::closed::Closed;
use crate::bench::engine::Turn;
use crate::bench::site::Site;
use crate::bench::stack::{Job, Stack};
use crate::bench::workload::{Reading, Workload, chosen};
use crate::bench::world::World;

pub(super) struct Files;

/// Name, bytes, connections.
const FILES: [(&str, usize, u32); 3] = [
    ("4-kB.jpg", 4 * 1024, 64),
    ("100-kB.jpg", 100 * 1024, 64),
    ("10-MB.jpg", 10 * 1024 * 1024, 8),
];

/// Where two of them are.
pub(super) const FOUR: &str = "/media/4-kB.jpg";
pub(super) const HUNDRED: &str = "/media/100-kB.jpg";

/// Puts them where the site's uploads are.
pub(super) fn provide(site: &Site) -> Result<()> {
    let media = site.folder.join("mediafiles");
    for (name, size, _) in FILES {
        let file = media.join(name);
        if !file.exists() {
            fs::create_dir_all(&media)?;
            fs::write(&file, vec![b'x'; size])?;
        }
    }
    Ok(())
}

impl Workload for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn title(&self) -> String {
        "Files of a site".to_owned()
    }

    fn stacks(&self, usual: &[Rc<dyn Stack>], _world: &World) -> Result<Vec<Rc<dyn Stack>>> {
        // The app has no part in it: one stack a front.
        let fronts = ["hotclub", "nginx+gunicorn", "caddy+granian"];
        let wanted = |name: &str| name.starts_with("hotclub ") || fronts.contains(&name);
        Ok(chosen(usual, wanted))
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.portfolio()?;
        provide(&site)?;
        let mut readings = Vec::new();
        for tls in [false, true] {
            let server = turn.serve(
                &Job {
                    tls,
                    ..turn.job(&site)
                },
                &[],
            )?;
            for (name, _, connections) in FILES {
                let paths = [format!("/media/{name}")];
                turn.compare(&server, &paths[0], server.get(&paths[0])?)?;
                let load = turn.measure(&Closed::gets(&paths, connections), &server)?;
                let protocol = if tls { ", TLS" } else { "" };
                readings.push(Reading {
                    case: format!("{}{protocol}", name.replace('-', " ").replace(".jpg", "")),
                    values: load.values(),
                });
            }
        }
        Ok(readings)
    }
}
