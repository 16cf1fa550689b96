//! `hotclub manage [DIR] -- ARGS`: the project's own manage.py, in the environment that `up` serves it in.

use std::os::unix::process::CommandExt;

use crate::cli::ManageArgs;
use crate::console::{Console, Failure};
use crate::project::{Project, State};

/// Replaces this process by `python manage.py ARGS`, so that terminal, signals and exit code are its own.
pub(crate) async fn run(args: &ManageArgs, console: &Console) -> Result<(), Failure> {
    let site = crate::site_file::load(&args.dir, console)?;
    let mut project = Project::find(site, None)?;
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
