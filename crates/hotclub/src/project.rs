//! The project on its way from a folder to an app that can be asked: where it is, what it needs, what it is.

use std::path::PathBuf;

use hotclub_config::{Python, Site};
use hotclub_django::environment::{Environment, EnvironmentError, Maker};
use hotclub_django::inspection::Inspection;
use hotclub_django::{App, Progress, Vars, environment, find, lockfile};
use hotclub_supervise::RunAs;

use crate::console::{Console, Failure};
use crate::system_packages;
use crate::users;

/// The role of a database's container.
pub(crate) const DATABASE: &str = "database";

mod contained;
mod image;
pub(crate) mod learnt;
pub(crate) mod memory;
mod prepared;
mod state;

pub(crate) use contained::{Contained, is_wanted as is_contained};
use prepared::Prepared;
pub(crate) use state::{FOLDER, State};

/// A project as far as it is known.
pub(crate) struct Project {
    pub(crate) site: Site,
    pub(crate) found: find::Project,
    pub(crate) workers: usize,
    /// Whom the project's code runs as; `None`: as we do.
    pub(crate) user: Option<RunAs>,
    /// Where its state is kept if it cannot be kept in its own folder; `None`: where it always is.
    pub(crate) elsewhere: Option<PathBuf>,
    /// There once the dependencies are installed.
    pub(crate) app: Option<App>,
    /// There with it, when the app runs in containers.
    pub(crate) contained: Option<Contained>,
    /// True once the settings were asked.
    pub(crate) inspection: Inspection,
}

impl Project {
    pub(crate) fn find(site: Site, workers: Option<u32>) -> Result<Self, Failure> {
        let found = match find::find(&site.dir, site.app.dir.as_deref()) {
            // It may be in the image alone.
            Err(_) if contained::is_wanted(&site) => find::Project {
                root: site.dir.clone(),
                manage_dir: site.dir.clone(),
            },
            found => found.map_err(|error| Failure::new(error.to_string()).hint(error.hint()))?,
        };
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = workers
            .or(site.app.workers)
            .map_or(cores, |workers| workers as usize);
        Ok(Self {
            site,
            found,
            workers,
            user: None,
            elsewhere: None,
            app: None,
            contained: None,
            inspection: Inspection::default(),
        })
    }

    /// The app; it is there after `install`.
    pub(crate) fn app(&self) -> Result<&App, Failure> {
        self.app
            .as_ref()
            .ok_or_else(|| Failure::new("the dependencies are not installed yet"))
    }

    pub(crate) fn app_mut(&mut self) -> Result<&mut App, Failure> {
        self.app
            .as_mut()
            .ok_or_else(|| Failure::new("the dependencies are not installed yet"))
    }

    /// Installs the dependencies into a private virtualenv, or finds them installed.
    pub(crate) async fn install(
        &mut self,
        state: &State,
        console: &Console,
    ) -> Result<(), Failure> {
        if contained::is_wanted(&self.site) {
            return self.install_image(state, console).await;
        }
        console.begin("dependencies");
        if let Some(known) = Prepared::known(state) {
            console.skipped(&known.detail);
            self.stand_in(known.environment, state);
            return Ok(());
        }
        let chosen = self.site.app.dependencies.as_deref();
        let dependencies = lockfile::detect(&self.found, chosen)
            .map_err(|error| Failure::new(error.to_string()).hint(error.hint()))?;
        let python = self.site.app.python.as_ref().map(|python| match python {
            Python::Version(version) => version.clone(),
            Python::Path(path) => path.display().to_string(),
        });
        let report = |progress: Progress| console.progress(&progress.message);
        let build = || {
            let maker = Maker {
                python: python.as_deref(),
                user: self.user,
            };
            environment::build(&self.found, &dependencies, maker, &state.dir, &report)
        };
        let mut built = build().await;
        if matches!(built, Err(EnvironmentError::NoPip)) {
            console.progress("apt-get install python3-venv");
            if system_packages::install("python3-venv").await {
                built = build().await;
            }
        }
        let built = built.map_err(|error| Failure::of_step(&error, error.hint()))?;
        let relative = dependencies.file.strip_prefix(&self.found.root);
        let file = relative.unwrap_or(&dependencies.file).display();
        let detail = format!("{file}, Python {}", built.python_version);
        if built.built {
            console.done(&detail)
        } else {
            console.skipped(&detail)
        }
        let environment = built.clone();
        Prepared {
            environment,
            detail,
        }
        .keep(state)?;
        self.stand_in(built, state);
        Ok(())
    }

    /// The app in its environment.
    fn stand_in(&mut self, environment: Environment, state: &State) {
        let release = state.release.as_ref();
        self.app = Some(App {
            project: self.found.clone(),
            environment,
            settings: self.site.app.settings.clone(),
            vars: self.vars(),
            user: self.user,
            state: state.dir.clone(),
            within: None,
            // A release's code does not change.
            frozen: release.map(|release| format!("release {}", release.number)),
        });
    }

    /// The same where the app is in an image.
    async fn install_image(&mut self, state: &State, console: &Console) -> Result<(), Failure> {
        let contained = Contained::prepare(&self.site, state, console).await?;
        self.app = Some(contained.app(self.site.app.settings.clone(), self.vars())?);
        self.contained = Some(contained);
        Ok(())
    }

    /// Removes what an earlier `up` that was killed has left. To be called with the state's lock.
    pub(crate) async fn tidy_containers(&self) -> Result<(), Failure> {
        let Some(contained) = &self.contained else {
            return Ok(());
        };
        let tidied = contained.owner.tidy(&contained.engine, DATABASE).await;
        let removed = tidied.map_err(|error| Failure::of_engine(&error))?;
        if removed > 0 {
            tracing::info!(removed, "containers that were left over are removed");
        }
        Ok(())
    }

    /// Where uploads lie on this machine, when the app is in a container; to be asked once the settings are known.
    pub(crate) fn keep_media(&mut self) -> Result<(), Failure> {
        let root = self.inspection.media_root.clone();
        if let (Some(contained), Some(root)) = (&mut self.contained, root)
            && root.is_absolute()
            && root.parent().is_some()
        {
            self.inspection.media_root = Some(contained.keep_media(&root)?);
        }
        Ok(())
    }

    /// Where static files are collected.
    pub(crate) fn static_dir(&self, state: &State) -> PathBuf {
        let contained = self.contained.as_ref();
        let above = contained.map_or_else(|| state.of_code().to_owned(), Contained::files);
        above.join("static")
    }

    /// What the site's configuration adds to the environment.
    fn vars(&self) -> Vars {
        let vars = self.site.env.vars.iter();
        let vars = vars.map(|(name, var)| (name.clone(), var.value.expose().to_owned()));
        // Ours are another's.
        let mut all = self.user.map(users::variables).unwrap_or_default();
        all.extend(vars);
        all
    }

    /// Adds what the last `up` injected, whatever was edited since: it is what `up` serves with. What
    /// the user has set meanwhile goes first.
    pub(crate) fn inject_what_is_known(&mut self, state: &State) -> Vars {
        let mut known = learnt::injected(state);
        let Some(app) = &mut self.app else {
            return known;
        };
        // An empty value is no decision. Of our own environment a container has nothing.
        let contained = app.within.is_some();
        let is_set = |name: &String| match app.vars.get(name) {
            Some(value) => !value.is_empty(),
            None if contained => false,
            None => std::env::var_os(name).is_some_and(|value| !value.is_empty()),
        };
        known.retain(|name, _| !is_set(name));
        app.vars.extend(known.clone());
        known
    }

    /// `module:attribute` of the WSGI application.
    pub(crate) fn app_name(&self) -> Result<String, Failure> {
        let found = self
            .site
            .app
            .wsgi
            .clone()
            .or_else(|| self.inspection.wsgi.clone());
        found.ok_or_else(|| {
            Failure::new("the project has no WSGI application")
                .hint("name it under [app] in hotclub.toml: wsgi = \"PROJECT.wsgi:application\"")
        })
    }

    /// A path as a person in the project's folder writes it.
    pub(crate) fn shown(&self, path: &std::path::Path) -> PathBuf {
        path.strip_prefix(&self.found.root)
            .unwrap_or(path)
            .to_owned()
    }
}
