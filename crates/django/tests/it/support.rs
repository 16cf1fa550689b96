//! One virtualenv for all tests of a run, and projects made with Django's own starter.

use std::fs;
use std::path::{Path, PathBuf};

use hotclub_django::environment::{self, Environment, Maker};
use hotclub_django::find::{Project, find};
use hotclub_django::lockfile::{Dependencies, Tool};
use hotclub_django::progress::silent;
use hotclub_django::{App, Vars};

/// What the tests' settings import. The versions are part of the environment's digest.
const PACKAGES: &str = "Django>=5.2,<5.3\ndjango-environ==0.12.0\ndj-database-url==3.0.1\n\
                        python-decouple==3.8\npython-dotenv==1.1.1\n";

/// Tests run in processes of their own; the state folder's lock makes the others wait for the
/// first.
pub(crate) async fn shared_environment() -> Environment {
    let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hotclub-django");
    fs::create_dir_all(&state).unwrap();
    let file = state.join("requirements.txt");
    if fs::read_to_string(&file).ok().as_deref() != Some(PACKAGES) {
        fs::write(&file, PACKAGES).unwrap();
    }
    let project = Project {
        root: state.clone(),
        manage_dir: state.clone(),
    };
    let dependencies = Dependencies {
        tool: Tool::Requirements,
        file,
    };
    environment::build(&project, &dependencies, Maker::default(), &state, &silent)
        .await
        .unwrap()
}

pub(crate) struct Site {
    dir: tempfile::TempDir,
    pub(crate) app: App,
}

impl Site {
    /// `django-admin startproject mysite`, unmodified.
    pub(crate) async fn start() -> Self {
        Self::start_in("").await
    }

    /// The same below a folder of the project.
    pub(crate) async fn start_in(sub: &str) -> Self {
        let environment = shared_environment().await;
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("project");
        fs::create_dir_all(root.join(sub)).unwrap();
        let mut command = tokio::process::Command::new(environment.bin().join("django-admin"));
        command.args(["startproject", "mysite"]).arg(root.join(sub));
        let status = command.kill_on_drop(true).status().await.unwrap();
        assert!(status.success());
        let project = find(&root, None).unwrap();
        let state = dir.path().canonicalize().unwrap().join("state");
        fs::create_dir_all(&state).unwrap();
        let app = App {
            within: None,
            frozen: None,
            user: None,
            project,
            environment,
            settings: None,
            vars: Vars::new(),
            state,
        };
        Self { dir, app }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.app.project.root.join(file)
    }

    pub(crate) fn state(&self) -> &Path {
        &self.app.state
    }

    pub(crate) fn write(&self, file: &str, content: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn append(&self, file: &str, content: &str) {
        let old = fs::read_to_string(self.path(file)).unwrap();
        self.write(file, &format!("{old}\n{content}\n"));
    }

    pub(crate) fn replace(&self, file: &str, from: &str, to: &str) {
        let old = fs::read_to_string(self.path(file)).unwrap();
        assert!(old.contains(from), "{file} has no {from}");
        self.write(file, &old.replace(from, to));
    }

    /// Every file of the user's tree, to see that a step left it alone.
    pub(crate) fn tree(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.dir.path().join("project"), &mut found);
        found.sort();
        found
    }
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found)
        } else {
            found.push(path)
        }
    }
}
