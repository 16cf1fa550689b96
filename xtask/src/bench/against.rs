//! `--against REV`: two builds of Hotclub as two stacks, which take turns like any others.

use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;

use super::stack::Stack;
use super::stacks::hotclub::{self, Hotclub};
use super::world::World;
use crate::{command, project};

const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn stacks(revision: &str, world: &World) -> Result<Vec<Rc<dyn Stack>>> {
    let before = world.folder().join("hotclub-before");
    let tree = world.folder().join("tree-before");
    git(&[
        "worktree",
        "add",
        "--detach",
        "--force",
        &tree.to_string_lossy(),
        revision,
    ])?;
    let built = hotclub::build(&tree);
    let gone = git(&["worktree", "remove", "--force", &tree.to_string_lossy()]);
    built.and(gone)?;
    // The next build takes its place.
    std::fs::copy(project::target().join("release/hotclub"), &before)?;
    let ours = Hotclub::of_this_tree(world)?;
    let theirs = Hotclub::of(format!("hotclub {revision}"), before, world)?;
    Ok(vec![Rc::new(ours), Rc::new(theirs)])
}

fn git(words: &[&str]) -> Result<()> {
    let mut git = Command::new("git");
    command::quiet(git.args(words).current_dir(project::root()), LIMIT).map(drop)
}
