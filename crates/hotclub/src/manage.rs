//! `hotclub manage [DIR] -- ARGS`: the project's own manage.py, in the environment that `up` serves it in.

use std::os::unix::process::CommandExt;
use std::path::Path;

use hotclub_config::HOST_FILE;

use crate::cli::ManageArgs;
use crate::console::{Console, Failure};
use crate::project::{Project, State};
use crate::releases::Release;
use crate::{host, users};

/// Replaces this process by `python manage.py ARGS`, so that terminal, signals and exit code are its own.
pub(crate) async fn run(args: &ManageArgs, console: &Console) -> Result<(), Failure> {
    let site = crate::site_file::load(&args.dir, console)?;
    let user = match Release::around(&site.dir) {
        Some(_) => users::of_site(&site, named(&site.name).as_deref())?,
        None => None,
    };
    let mut project = Project::find(site, None)?;
    project.user = user;
    let state = State::open_shared(&project)?;
    project.install(&state, &Console::quiet()).await?;
    if project.inject_what_is_known(&state).is_empty() && !state.knows_the_settings() {
        return Err(Failure::new("this project has not been up yet")
            .hint(format!("start it once: hotclub up {}", args.dir.display())));
    }
    let mut command = project.app()?.command("python").into_std();
    command
        .arg("manage.py")
        .args(&args.args)
        .stdin(std::process::Stdio::inherit());
    Err(Failure::from(command.exec()))
}

/// Whom the server's file has the site run as.
fn named(site: &str) -> Option<String> {
    let wanted = host::read(Path::new(HOST_FILE), None, None, &Console::quiet());
    wanted.ok()?.users.remove(site)
}
