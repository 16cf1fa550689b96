//! `hotclub maintenance on|off DIR`: puts the file in its place by which a running front closes the site.

use std::io;

use crate::cli::{MaintenanceArgs, MaintenanceWanted};
use crate::console::{Console, Failure};
use crate::face;
use crate::project::{Project, State};

pub(crate) fn run(args: &MaintenanceArgs, console: &Console) -> Result<(), Failure> {
    let site = crate::site_file::load(&args.dir, console)?;
    let folder = match face::has_app(&site) {
        true => State::open_shared(&Project::find(site, None)?)?.dir,
        false => State::folder_without_app(&site),
    };
    let file = folder.join("maintenance");
    let outcome = match args.wanted {
        MaintenanceWanted::On => {
            std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, ""))
        }
        MaintenanceWanted::Off => match std::fs::remove_file(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        },
    };
    outcome.map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    console.note(match args.wanted {
        MaintenanceWanted::On => "visitors see the page for maintenance from the next second on",
        MaintenanceWanted::Off => "the site is open again from the next second on",
    });
    Ok(())
}
