//! A project whose app runs in containers: the image, what its containers share with this machine, and how a command
//! gets into one.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hotclub_config::{Runtime, RuntimeKind, Site, VolumeSource};
use hotclub_django::environment::Environment;
use hotclub_django::{App, Vars, Within, find};
use hotclub_docker::{Bind, Build, DockerError, Engine, Image, Owner, RunSpec};

use super::State;
use crate::console::{Console, Failure};
use crate::container::Order;

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
        let image = image(site, &state.dir, &engine, console).await?;
        let network = engine.network(&owner).await;
        let network = network.map_err(|error| Failure::of_engine(&error))?;
        let workdir = site.runtime.workdir.clone();
        let contained = Self {
            workdir: workdir.unwrap_or_else(|| PathBuf::from(&image.workdir)),
            binds: binds(&site.runtime, &engine).await?,
            memory: site.runtime.memory,
            state: state.dir.clone(),
            code: state.of_code().to_owned(),
            engine,
            owner,
            image,
            network,
        };
        contained.lay_out()?;
        console.done(&contained.described(&site.runtime));
        Ok(contained)
    }

    /// The same over the image as it is now.
    pub(crate) async fn renewed(&self, site: &Site) -> Result<Self, Failure> {
        let image = image(site, &self.state, &self.engine, &Console::quiet()).await?;
        Ok(Self {
            image,
            ..self.clone()
        })
    }

    fn short_id(&self) -> String {
        let id = self.image.id.trim_start_matches("sha256:");
        id.chars().take(12).collect()
    }

    fn described(&self, runtime: &Runtime) -> String {
        let short = self.short_id();
        match &runtime.image {
            Some(name) => format!("{name} ({short})"),
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
                dir: PathBuf::from("/usr/local/lib"),
                digest: self.image.id.clone(),
                python_version: String::new(),
                built: false,
            },
            settings,
            vars,
            state: self.state.clone(),
            user: None,
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
            owner: self.owner.clone(),
            role: role.name().to_owned(),
            image: self.image.id.clone(),
            binds,
            network: Some(self.network.clone()),
            workdir: Some(self.workdir.clone()),
            user: matches!(role, Role::Us).then(|| format!("{}:{}", uid.as_raw(), gid.as_raw())),
            memory: self.memory.filter(|_| matches!(role, Role::App)),
        })
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
        let owner = self.image.user.split(':').next().unwrap_or_default();
        let is_root = matches!(owner, "" | "root" | "0");
        if !is_root {
            match owner
                .parse()
                .ok()
                .filter(|_| rustix::process::geteuid().is_root())
            {
                Some(uid) => std::os::unix::fs::chown(&folder, Some(uid), None)?,
                // A user of the image by name: only the image knows its number.
                None => fs::set_permissions(&folder, Permissions::from_mode(0o777))?,
            }
        }
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

/// The image that the configuration names, or one that is built.
async fn image(
    site: &Site,
    state: &Path,
    engine: &Engine,
    console: &Console,
) -> Result<Image, Failure> {
    let runtime = &site.runtime;
    let mut say = |line: &str| console.progress(line);
    if let Some(name) = &runtime.image {
        let found = engine.image_or_pull(name, &mut say).await;
        return found.map_err(|error| Failure::of_engine(&error));
    }
    let log = state.join("log/build.log");
    let mut lines = String::new();
    let build = build(site)?;
    let mut say = |line: &str| {
        lines.push_str(line);
        lines.push('\n');
        console.progress(line);
    };
    let built = build.run(engine, &mut say).await;
    fs::create_dir_all(state.join("log"))?;
    fs::write(&log, &lines)?;
    let id = built.map_err(|error| match error {
        DockerError::Build { tail, .. } => Failure::of_engine(&DockerError::Build {
            tail,
            log: Some(log.clone()),
        }),
        other => Failure::of_engine(&other),
    })?;
    let image = engine.image(&id).await;
    let image = image.map_err(|error| Failure::of_engine(&error))?;
    image.ok_or_else(|| Failure::of_engine(&DockerError::NoImage(id)))
}

fn build(site: &Site) -> Result<Build, Failure> {
    let runtime = &site.runtime;
    let context = runtime.context.clone().unwrap_or_else(|| site.dir.clone());
    let dockerfile = runtime.dockerfile.clone();
    Ok(Build {
        tag: format!("hotclub/{}:latest", site.name),
        dockerfile: dockerfile.unwrap_or_else(|| "Dockerfile".into()),
        context,
        target: runtime.target.clone(),
        args: runtime.args.clone(),
    })
}

async fn binds(runtime: &Runtime, engine: &Engine) -> Result<Vec<Bind>, Failure> {
    let mut binds = Vec::new();
    for volume in &runtime.volumes {
        let (from, named) = match &volume.from {
            VolumeSource::Folder(path) => {
                fs::create_dir_all(path)
                    .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
                (path.clone(), false)
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

async fn exists(engine: &Engine, volume: &Path) -> Result<bool, Failure> {
    let found = engine.has_volume(&volume.to_string_lossy()).await;
    found.map_err(|error| Failure::of_engine(&error))
}
