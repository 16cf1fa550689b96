//! Watches a project's files for `--reload`.

use std::path::Path;
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::console::Failure;

/// Editors write a file in several steps, and a checkout writes many: wait until it is quiet.
const QUIET: Duration = Duration::from_millis(200);
/// Folders whose files are nobody's code.
const IGNORED: [&str; 7] = [
    "__pycache__",
    "node_modules",
    "venv",
    "env",
    "staticfiles",
    "mediafiles",
    "media",
];
/// What the running app is made of.
const WATCHED: [&str; 6] = ["py", "html", "txt", "toml", "env", "po"];

/// A watched project.
#[derive(Debug)]
pub(crate) struct Watch {
    events: mpsc::UnboundedReceiver<()>,
    _watcher: RecommendedWatcher,
    /// Something changed and nobody was told yet.
    pending: bool,
}

impl Watch {
    /// Watches `folder` and all below it.
    pub(crate) fn start(folder: &Path) -> Result<Self, Failure> {
        let (sender, events) = mpsc::unbounded_channel();
        let root = folder.to_owned();
        let told = move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| matters(&root, &event)) {
                // The receiver is gone only when nobody watches any more.
                let _ = sender.send(());
            }
        };
        let watched = notify::recommended_watcher(told).and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        let watcher = watched.map_err(|error| {
            Failure::new(format!("cannot watch {}: {error}", folder.display()))
                .hint("the system may be out of inotify watches: raise fs.inotify.max_user_watches")
        })?;
        Ok(Self {
            events,
            _watcher: watcher,
            pending: false,
        })
    }

    /// Waits until something changed and all is quiet again. Cancel safe.
    pub(crate) async fn changed(&mut self) {
        if !self.pending && self.events.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        self.pending = true;
        while tokio::time::timeout(QUIET, self.events.recv())
            .await
            .is_ok()
        {}
        self.pending = false;
    }
}

fn matters(root: &Path, event: &Event) -> bool {
    let changes = matches!(
        event.kind,
        EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_)
    );
    changes && event.paths.iter().any(|path| is_code(root, path))
}

fn is_code(root: &Path, path: &Path) -> bool {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let ignored = inside.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        IGNORED.contains(&name.as_ref()) || (name.starts_with('.') && !name.starts_with(".env"))
    });
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !ignored && (WATCHED.contains(&ending.as_ref()) || name.starts_with(".env"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_templates_matter_and_what_tools_write_does_not() {
        let root = Path::new("/p");
        let is = |path: &str| is_code(root, Path::new(path));
        assert!(is("/p/src/views.py"));
        assert!(is("/p/templates/home.html"));
        assert!(is("/p/.env.prod"));
        assert!(!is("/p/.hotclub/env/lib/x.py"));
        assert!(!is("/p/src/__pycache__/views.cpython-311.pyc"));
        assert!(!is("/p/mediafiles/a.jpg"));
        assert!(!is("/p/db.sqlite3"));
    }
}
