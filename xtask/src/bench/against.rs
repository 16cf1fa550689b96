//! `--against REV`: two builds of Hotclub as two stacks, which take turns like any others.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};

use super::stack::Stack;
use super::stacks::hotclub::{self, Hotclub};
use super::world::World;
use crate::{command, project};

const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn stacks(revision: &str, world: &World) -> Result<Vec<Rc<dyn Stack>>> {
    let commit = git(&["rev-parse", "--verify", &format!("{revision}^{{commit}}")])
        .with_context(|| format!("no revision is called {revision:?}"))?;
    let commit = commit.trim();
    let before = program_of(commit)?;
    let ours = Hotclub::of_this_tree(world)?;
    // By its number, because a revision's name may hold what a file's cannot.
    let name = format!("hotclub {}", &commit[..commit.len().min(9)]);
    let theirs = Hotclub::of(name, before, world)?;
    Ok(vec![Rc::new(ours), Rc::new(theirs)])
}

/// The revision's program; built once and kept, for a change is measured more than once.
fn program_of(commit: &str) -> Result<PathBuf> {
    let folder = project::target().join("bench");
    let program = folder.join(format!("hotclub-{commit}"));
    if program.is_file() {
        return Ok(program);
    }
    // Always the same place: cargo takes packages elsewhere for others.
    let tree = folder.join("tree-before");
    std::fs::create_dir_all(&folder)?;
    let path = tree.to_string_lossy();
    if tree.exists() {
        // Of a run that was interrupted.
        remove(&tree)?;
    }
    git(&["worktree", "add", "--detach", "--force", &path, commit])?;
    let built = hotclub::build(&tree);
    remove(&tree)?;
    built?;
    // The next build takes its place; the name comes last, so that half a copy is none.
    let copy = folder.join("hotclub-copied");
    std::fs::copy(project::target().join("release/hotclub"), &copy)?;
    std::fs::rename(&copy, &program)?;
    Ok(program)
}

fn remove(tree: &Path) -> Result<()> {
    git(&["worktree", "remove", "--force", &tree.to_string_lossy()]).map(drop)
}

fn git(words: &[&str]) -> Result<String> {
    let mut git = Command::new("git");
    command::quiet(git.args(words).current_dir(project::root()), LIMIT)
}
