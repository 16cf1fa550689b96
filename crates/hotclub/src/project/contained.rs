//! A project whose app runs in containers: the image, what its containers share with this machine, and how a command
//! gets into one.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hotclub_config::{RuntimeKind, Site, VolumeSource};
use hotclub_django::environment::Environment;
use hotclub_django::{App, Vars, Within, find};
use hotclub_docker::{Bind, Engine, Image, Owner, RunSpec};

use super::{State, image};
use crate::console::{Console, Failure};
use crate::container::Order;
use crate::releases::data;

/// Where containers have the folder of control sockets.
const SOCKETS: &str = "/run/hotclub";

/// What is known of a site's containers.
#[derive(Clone, Debug)]
pub(crate) struct Contained {
    pub(crate) engine: Engine,
    pub(crate) owner: Owner,
    pub(crate) image: Image,
    /// Of the configuration, and the media folder once it is known.
    binds: Vec<Bind>,
    network: String,
    workdir: PathBuf,
    memory: Option<u64>,
    state: PathBuf,
    /// What belongs to this code and no other.
    code: PathBuf,
}

/// Which spec a command runs by.
#[derive(Clone, Copy, Debug)]
enum Role {
    /// A question or a release command, as the image's user.
    Run,
    /// The same as our user, so that what it writes is ours.
    Us,
    /// A fork server.
    App,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Run | Self::Us => "run",
            Self::App => "app",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Us => "us",
            Self::App => "app",
        }
    }
}

pub(crate) fn is_wanted(site: &Site) -> bool {
    site.runtime.kind == RuntimeKind::Docker
}

impl Contained {
    /// Finds, pulls or builds the image.
    pub(crate) async fn prepare(
        site: &Site,
        state: &State,
        console: &Console,
    ) -> Result<Self, Failure> {
        console.begin("image");
        let engine = Engine::connect(site.runtime.engine.as_deref())
            .await
            .map_err(|error| Failure::of_engine(&error))?;
        let owner = Owner {
            site: site.name.clone(),
            state: state.dir.display().to_string(),
        };
        let image = image::of(site, state, (&engine, &owner), console).await?;
        let network = engine.network(&owner).await;
        let network = network.map_err(|error| Failure::of_engine(&error))?;
        let workdir = site.runtime.workdir.clone();
        let contained = Self {
            workdir: workdir.unwrap_or_else(|| PathBuf::from(&image.workdir)),
            binds: binds(site, state, &engine, &image).await?,
            memory: site.runtime.memory,
            state: state.dir.clone(),
            code: state.of_code().to_owned(),
            engine,
            owner,
            image,
            network,
        };
        contained.lay_out()?;
        console.done(&contained.described(site));
        Ok(contained)
    }

    /// The same over the image as it is now.
    pub(crate) async fn renewed(&self, site: &Site) -> Result<Self, Failure> {
        let engine = (&self.engine, &self.owner);
        let image = image::fresh(site, &self.state, engine, &Console::quiet()).await?;
        Ok(Self {
            image,
            ..self.clone()
        })
    }

    fn short_id(&self) -> String {
        let id = self.image.id.trim_start_matches("sha256:");
        id.chars().take(12).collect()
    }

    fn described(&self, site: &Site) -> String {
        let short = self.short_id();
        match &site.runtime.image {
            Some(name) => format!("{name} ({short})"),
            None if image::is_ours(site) => {
                format!(
                    "built by a Dockerfile of Hotclub's, {} ({short})",
                    image::OURS
                )
            }
            None => format!("built ({short})"),
        }
    }

    /// The app as it is in the image.
    pub(crate) fn app(&self, settings: Option<String>, vars: Vars) -> Result<App, Failure> {
        Ok(App {
            project: find::Project {
                root: self.workdir.clone(),
                manage_dir: self.workdir.clone(),
            },
            environment: Environment {
                // Other people's code is told by its place in the interpreter's folders.
                dir: self
                    .image
                    .variable("VIRTUAL_ENV")
                    .map_or_else(|| "/usr/local/lib".into(), PathBuf::from),
                digest: self.image.id.clone(),
                python_version: String::new(),
                built: false,
            },
            settings,
            vars,
            state: self.state.clone(),
            user: None,
            frozen: None,
            within: Some(Within {
                runner: self.runner(Role::Run)?,
                as_us: self.runner(Role::Us)?,
                python_path: self.image.variable("PYTHONPATH"),
            }),
        })
    }

    /// The folders that containers are given.
    fn lay_out(&self) -> Result<(), Failure> {
        let sockets = self.state.join("sockets");
        for (folder, mode) in [
            (sockets, 0o700),
            (self.files(), 0o755),
            (self.state.join("python"), 0o755),
        ] {
            fs::create_dir_all(&folder)?;
            fs::set_permissions(&folder, Permissions::from_mode(mode))?;
        }
        // Itself to be entered by anybody, which the folder above keeps to those who have it mounted.
        let inner = self.sockets();
        fs::create_dir_all(&inner)?;
        fs::set_permissions(&inner, Permissions::from_mode(0o755))?;
        Ok(())
    }

    fn sockets(&self) -> PathBuf {
        self.state.join("sockets/control")
    }

    /// Where static files are collected to: the one folder that release steps may write.
    pub(crate) fn files(&self) -> PathBuf {
        self.code.join("files")
    }

    /// Writes down what a container of this role is made of; the command line that runs others in it.
    fn runner(&self, role: Role) -> Result<Vec<OsString>, Failure> {
        // A generation's fork server is replaced by one of the same image, whatever was built since.
        let name = format!("{}-{}.json", role.file(), self.short_id());
        let file = self.code.join("containers").join(name);
        let order = Order {
            engine: self.engine.socket().display().to_string(),
            prefix: None,
            spec: self.spec(role)?,
        };
        order.keep(&file)?;
        let program = std::env::current_exe()?;
        Ok(vec![program.into(), "container".into(), file.into()])
    }

    fn spec(&self, role: Role) -> Result<RunSpec, Failure> {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        let mut binds = self.binds.clone();
        match role {
            Role::Run | Role::Us => {
                binds.push(Bind::same(self.state.join("python"), false));
                binds.push(Bind::same(self.files(), false));
            }
            Role::App => {
                binds.push(Bind::same(hotclub_app::unpack(&self.state)?, true));
                binds.push(Bind::same(self.files(), true));
                binds.push(Bind {
                    from: self.sockets(),
                    to: SOCKETS.into(),
                    read_only: false,
                    volume: false,
                });
            }
        }
        Ok(RunSpec {
            binds,
            workdir: Some(self.workdir.clone()),
            user: matches!(role, Role::Us).then(|| format!("{}:{}", uid.as_raw(), gid.as_raw())),
            memory: self.memory.filter(|_| matches!(role, Role::App)),
            ..self.bare(role.name(), &self.image)
        })
    }

    /// A container of the site that shares nothing but its network.
    pub(crate) fn bare(&self, role: &str, image: &Image) -> RunSpec {
        RunSpec {
            owner: self.owner.clone(),
            role: role.to_owned(),
            image: image.id.clone(),
            binds: Vec::new(),
            network: Some(self.network.clone()),
            workdir: None,
            user: None,
            memory: None,
        }
    }

    /// How a fork server comes into its container.
    pub(crate) fn launch(&self) -> Result<hotclub_app::Contained, Failure> {
        Ok(hotclub_app::Contained {
            runner: self.runner(Role::App)?,
            sockets: self.sockets(),
            inside: SOCKETS.into(),
        })
    }

    /// Has uploads kept on this machine: in the folder that `volumes` put there, or in one of ours. Where it is.
    pub(crate) fn keep_media(&mut self, inside: &Path) -> Result<PathBuf, Failure> {
        if let Some(folder) = self.on_host(inside) {
            return Ok(folder);
        }
        let folder = self.state.join("media");
        fs::create_dir_all(&folder)?;
        give(&folder, &self.image)?;
        self.binds.push(Bind {
            from: folder.clone(),
            to: inside.to_owned(),
            read_only: false,
            volume: false,
        });
        for role in [Role::Run, Role::Us] {
            self.runner(role)?;
        }
        Ok(folder)
    }

    /// A folder of the container as this machine has it.
    pub(crate) fn on_host(&self, inside: &Path) -> Option<PathBuf> {
        let folders = self.binds.iter().filter(|bind| !bind.volume);
        let nearest = folders
            .filter(|bind| inside.starts_with(&bind.to))
            .max_by_key(|bind| bind.to.components().count())?;
        let below = inside.strip_prefix(&nearest.to).ok()?;
        Some(nearest.from.join(below))
    }
}

/// The folders and volumes of the configuration; those that are not there yet are made.
async fn binds(
    site: &Site,
    state: &State,
    engine: &Engine,
    image: &Image,
) -> Result<Vec<Bind>, Failure> {
    let mut binds = Vec::new();
    for volume in &site.runtime.volumes {
        let (from, named) = match &volume.from {
            VolumeSource::Folder(path) => {
                (folder(site, state, (path, volume.read_only), image)?, false)
            }
            VolumeSource::Named(name) => (PathBuf::from(name), true),
        };
        if named && !exists(engine, &from).await? {
            let name = from.display();
            return Err(
                Failure::new(format!("there is no volume {name}")).hint(format!(
                    "make it (docker volume create {name}), or name a folder"
                )),
            );
        }
        binds.push(Bind {
            from,
            to: volume.to.clone(),
            read_only: volume.read_only,
            volume: named,
        });
    }
    Ok(binds)
}

/// A folder of this machine. One among a release's code that is written outlives the release.
fn folder(
    site: &Site,
    state: &State,
    (path, read_only): (&Path, bool),
    image: &Image,
) -> Result<PathBuf, Failure> {
    let failed = |error| Failure::new(format!("{}: {error}", path.display()));
    let was_there = path.exists();
    let place = match &state.release {
        Some(release) if !read_only => data::folder(release, &site.dir, path).map_err(failed)?,
        _ => path.to_owned(),
    };
    let is_ours = place != path && place.parent().is_some();
    if !was_there || is_ours {
        fs::create_dir_all(&place).map_err(failed)?;
    }
    if !was_there {
        give(&place, image)?;
    }
    Ok(place)
}

/// Lets the image's user write in a folder that was just made.
fn give(folder: &Path, image: &Image) -> Result<(), Failure> {
    let owner = image.user.split(':').next().unwrap_or_default();
    if matches!(owner, "" | "root" | "0") {
        return Ok(());
    }
    let number = owner.parse().ok();
    match number.filter(|_| rustix::process::geteuid().is_root()) {
        Some(uid) => std::os::unix::fs::chown(folder, Some(uid), None)?,
        // A user of the image by name: only the image knows its number.
        None => fs::set_permissions(folder, Permissions::from_mode(0o777))?,
    }
    Ok(())
}

async fn exists(engine: &Engine, volume: &Path) -> Result<bool, Failure> {
    let found = engine.has_volume(&volume.to_string_lossy()).await;
    found.map_err(|error| Failure::of_engine(&error))
}
