//! The image of an export: the Dockerfile that Hotclub writes, with Gunicorn in it.

use super::plan::Plan;
use super::{File, gunicorn};
use crate::dockerfile::IGNORED;

pub(super) fn files(plan: &Plan) -> Vec<File> {
    let written = plan.static_files.iter().chain(&plan.media);
    let folders = written.map(|folder| folder.path.clone()).collect();
    let server = (plan.settings.clone(), gunicorn::command(plan));
    let recipe = plan.recipe.clone();
    let recipe = recipe.with_server(&plan.python, folders, server);
    vec![
        File::new("Dockerfile", recipe.text()),
        File::new("Dockerfile.dockerignore", IGNORED.to_owned()),
    ]
}
