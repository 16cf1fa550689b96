//! Compiles a release's modules once. Those who serve it may not write into it, and would compile them at each start.

use std::process::Stdio;

use tokio::process::Command;

use crate::app::App;

/// Nothing of the project is run for it: neither its folder nor the environment's packages are on the path. A file that
/// is no Python of this version is left out.
pub async fn compile(app: &App) {
    let mut command = Command::new(app.environment.python());
    command
        .args(["-I", "-S", "-m", "compileall", "-q"])
        .arg(&app.project.root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    // The release serves all the same.
    let _ = command.status().await;
}
