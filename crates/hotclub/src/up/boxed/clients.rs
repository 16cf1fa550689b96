//! pg_dump, pg_restore and psql of a PostgreSQL in a container: programs of the server's own version for `hotclub db`,
//! each of which runs in a container of the same image, with our pipes as its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hotclub_docker::Image;

use crate::console::Failure;
use crate::container::Order;
use crate::project::Contained;

const ALL: [&str; 3] = ["pg_dump", "pg_restore", "psql"];
/// Of whose environment they get what begins with this: libpq's variables.
const PREFIX: &str = "PG";

pub(super) fn folder(state: &Path) -> PathBuf {
    state.join("pg-clients")
}

pub(super) fn lay_out(contained: &Contained, image: &Image, state: &Path) -> Result<(), Failure> {
    let folder = folder(state);
    let order = folder.join("container.json");
    Order {
        engine: contained.engine.socket().display().to_string(),
        prefix: Some(PREFIX.to_owned()),
        spec: contained.bare("client", image),
    }
    .keep(&order)?;
    let quoted = |path: &Path| shell_words::quote(&path.display().to_string()).into_owned();
    let (program, order) = (quoted(&std::env::current_exe()?), quoted(&order));
    for client in ALL {
        let text = format!("#!/bin/sh\nexec {program} container {order} {client} \"$@\"\n");
        let fresh = folder.join(format!("{client}.new"));
        fs::write(&fresh, text)?;
        fs::set_permissions(&fresh, Permissions::from_mode(0o700))?;
        fs::rename(fresh, folder.join(client))?;
    }
    Ok(())
}
