//! PostgreSQL in a container, by the official image's conventions: a named volume, the site's private network, no
//! published port. Hotclub and `hotclub db` reach it by its address on that network, and run the clients of its image.

mod clients;
mod login;
mod volume;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hotclub_docker::{DockerError, Service};
use hotclub_postgres::{self as postgres, Access, Cause, Programs, Ready, Version, wait_ready};
use serde::{Deserialize, Serialize};

use crate::console::{Console, Failure};
use crate::project::{Contained, Project, State};
use crate::up::DATABASE_GRACE;
use login::Login;
use volume::Volume;

pub(crate) use login::connection;

/// Where no version is written, and none was used before.
const NEWEST: u32 = 17;
/// How often, and for how long, an engine that went away is asked to start it again.
const PAUSE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(180);

/// Exit codes after the engine's end or somebody's `docker stop` or `docker kill`: an orderly end, or signals 9 and 15.
const FROM_OUTSIDE: [i64; 3] = [0, 137, 143];

/// A PostgreSQL that runs in a container.
#[derive(Debug)]
pub(crate) struct Boxed {
    service: Service,
    volume: Volume,
    /// Another one after another start.
    address: Mutex<IpAddr>,
    /// As it said itself.
    version: Version,
    login: Login,
    wait: Duration,
    state: PathBuf,
}

fn of_engine(error: &DockerError) -> Failure {
    Failure::of_engine(error)
}

impl Boxed {
    /// Starts it, over the volume that there is or a new one, and waits until it answers a query.
    pub(crate) async fn start(
        project: &Project,
        contained: &Contained,
        state: &State,
        console: &Console,
    ) -> Result<Self, Failure> {
        let login = Login::of(project)?;
        let config = &project.site.database;
        let version = || config.version.or_else(|| Some(kept(&state.dir)?.major));
        let image_name = match &config.image {
            Some(image) => image.clone(),
            None => format!("postgres:{}", version().unwrap_or(NEWEST)),
        };
        let mut say = |line: &str| console.progress(line);
        let found = contained.engine.image_or_pull(&image_name, &mut say).await;
        let image = found.map_err(|error| of_engine(&error))?;
        let volume = Volume::of(project, contained).await?;
        console.progress(&format!("{image_name} over the volume {}", volume.name));
        let spec = volume.spec(project, contained, &image);
        let name = format!("hotclub-{}-db", project.site.name);
        let names = (name.as_str(), login.host.as_str());
        let env = login.variables();
        let service = Service::start(&contained.engine, &spec, names, env, DATABASE_GRACE);
        let service = service.await.map_err(|error| of_engine(&error))?;
        clients::lay_out(contained, &image, &state.dir)?;
        let starting = Starting {
            service: &service,
            volume: &volume,
            login: &login,
        };
        let (address, version) = match starting.answered(config.wait).await {
            Ok(answered) => answered,
            Err(failure) => {
                // What it said is in the failure; another start shall find the name free.
                let _ = service.stop(DATABASE_GRACE).await;
                return Err(failure);
            }
        };
        let boxed = Self {
            service,
            volume,
            address: Mutex::new(address),
            version,
            login,
            wait: config.wait,
            state: state.dir.clone(),
        };
        boxed.remember()?;
        Ok(boxed)
    }

    /// Returns when it ends and cannot be started again. One that ends with its engine comes back with it.
    pub(crate) async fn fell(&self) -> Failure {
        loop {
            let code = self.service.exited().await;
            if code.is_some_and(|code| !FROM_OUTSIDE.contains(&code)) {
                return ended(&self.service, &self.volume.name, code).await;
            }
            let out_of_memory = self.service.was_out_of_memory().await;
            tracing::warn!(
                out_of_memory,
                "PostgreSQL's container was ended; it is started again"
            );
            if let Err(failure) = self.revive().await {
                return failure;
            }
            tracing::info!("PostgreSQL answers again");
        }
    }

    async fn revive(&self) -> Result<(), Failure> {
        let begun = tokio::time::Instant::now();
        while let Err(error) = self.service.again().await {
            if begun.elapsed() > PATIENCE {
                return Err(of_engine(&error));
            }
            tokio::time::sleep(PAUSE).await;
        }
        let starting = Starting {
            service: &self.service,
            volume: &self.volume,
            login: &self.login,
        };
        let (address, _) = starting.answered(self.wait).await?;
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
        self.remember()
    }

    /// Whether settings that were asked again still want this one.
    pub(crate) fn is_still_wanted(&self, project: &Project) -> Result<bool, Failure> {
        Ok(Login::of(project)? == self.login)
    }

    pub(crate) async fn stop(&self) {
        if let Err(error) = self.service.stop(DATABASE_GRACE).await {
            tracing::warn!(%error, "PostgreSQL's container could not be ended");
        }
    }

    /// At once; what was committed is recovered by the next start.
    pub(crate) async fn kill(&self) {
        if let Err(error) = self.service.remove().await {
            tracing::warn!(%error, "PostgreSQL's container could not be ended");
        }
    }

    pub(crate) fn described(&self) -> String {
        format!("PostgreSQL {} in a container", self.version.text)
    }

    /// Tells one database from another.
    pub(crate) fn identity(&self) -> String {
        format!("volume {} of {}", self.volume.name, self.volume.since)
    }

    fn address(&self) -> IpAddr {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn access(&self) -> Access {
        let login = self.login.at(self.address());
        access(&self.state, login, self.version.clone())
    }

    /// For `hotclub db`, which asks no settings: a file that only its owner can read.
    fn remember(&self) -> Result<(), Failure> {
        let kept = Kept {
            login: self.login.clone(),
            address: self.address(),
            major: self.version.major,
            version: self.version.text.clone(),
        };
        let file = tempfile::NamedTempFile::new_in(&self.state)?;
        serde_json::to_writer(&file, &kept).map_err(std::io::Error::from)?;
        file.persist(kept_file(&self.state))
            .map_err(|error| error.error)?;
        Ok(())
    }
}

/// One that was started and has not answered yet.
struct Starting<'a> {
    service: &'a Service,
    volume: &'a Volume,
    login: &'a Login,
}

impl Starting<'_> {
    async fn answered(&self, wait: Duration) -> Result<(IpAddr, Version), Failure> {
        let Some(address) = self
            .service
            .address()
            .await
            .map_err(|error| of_engine(&error))?
        else {
            // It has ended already.
            return Err(self.ended().await);
        };
        let target = self.login.at(address).target();
        let outcome = tokio::select! {
            outcome = wait_ready(&target, wait) => outcome,
            failure = self.ended() => return Err(failure),
        };
        match outcome {
            Ok(Ready::Answered { version }) => Ok((address, version_of(&version))),
            Ok(Ready::BehindTls) => Ok((address, version_of(""))),
            Err(error) if error.cause == Cause::WrongPassword => Err(self.wrong_password()),
            Err(error) => {
                let failure = Failure::of_step(&error, Some(error.hint()));
                Err(failure.detail(self.service.last_words().await))
            }
        }
    }

    async fn ended(&self) -> Failure {
        let code = self.service.exited().await;
        ended(self.service, &self.volume.name, code).await
    }

    fn wrong_password(&self) -> Failure {
        let (volume, user) = (&self.volume.name, &self.login.user);
        Failure::new(format!(
            "the volume {volume} holds a database whose user {user} has another password, or no such user"
        ))
        .hint(
            "PostgreSQL's image takes user and password for an empty volume only: write those of its first start \
             into the env file; docs/docker.md says how a forgotten one is replaced",
        )
    }
}

/// Why it ended, in its own last words.
async fn ended(service: &Service, volume: &str, code: Option<i64>) -> Failure {
    let words = service.last_words().await;
    let code = code.map_or_else(String::new, |code| format!(" (exit code {code})"));
    let failure = Failure::new(format!("PostgreSQL's container has ended{code}"));
    let failure = failure.detail(words.clone());
    if let Some(major) = made_by(&words) {
        return failure.hint(format!(
            "the volume {volume} was made by PostgreSQL {major}: write version = {major} under [database]"
        ));
    }
    if words.contains("No space left on device") {
        return failure
            .hint("the disk is full: make room first; nothing that was committed is lost");
    }
    if service.was_out_of_memory().await {
        return failure.hint("it ran out of memory: this machine has too little for it");
    }
    failure.hint("start again: it recovers what was committed")
}

/// The version that a volume is of, when PostgreSQL refused it for that.
fn made_by(words: &str) -> Option<&str> {
    let rest = words.split("initialized by PostgreSQL version ").nth(1)?;
    let major = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    (!major.is_empty()).then_some(major)
}

/// What is remembered of the database's container.
#[derive(Serialize, Deserialize)]
struct Kept {
    login: Login,
    address: IpAddr,
    major: u32,
    version: String,
}

fn kept_file(state: &Path) -> PathBuf {
    state.join("postgres-container.json")
}

fn kept(state: &Path) -> Option<Kept> {
    serde_json::from_slice(&fs::read(kept_file(state)).ok()?).ok()
}

/// The way into a container that an `up` or a host runs.
pub(crate) async fn access_of(state: &State) -> Result<Access, Failure> {
    let not_running = || {
        Failure::new("the site's database is in a container, which does not run just now")
            .hint("start the site; its database starts with it")
    };
    let kept = kept(&state.dir).ok_or_else(not_running)?;
    let login = kept.login.at(kept.address);
    let connected = tokio::net::TcpStream::connect((kept.address, login.port));
    match tokio::time::timeout(Duration::from_secs(5), connected).await {
        Ok(Ok(_)) => {}
        Ok(Err(_)) | Err(_) => return Err(not_running()),
    }
    let version = Version {
        major: kept.major,
        text: kept.version,
    };
    Ok(access(&state.dir, login, version))
}

fn access(state: &Path, login: postgres::Connection, version: Version) -> Access {
    let programs = Programs {
        bin: clients::folder(state),
        version,
    };
    Access::elsewhere(login, programs, state.to_owned())
}

fn version_of(text: &str) -> Version {
    let words = text.trim_start_matches("PostgreSQL ");
    let text = words.split_whitespace().next().unwrap_or_default();
    let major = text.split(|c: char| !c.is_ascii_digit()).next();
    Version {
        major: major.and_then(|major| major.parse().ok()).unwrap_or(0),
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_of_another_version_is_known_by_postgresqls_words() {
        let words = "FATAL:  database files are incompatible with server\nDETAIL:  The data directory was \
                     initialized by PostgreSQL version 14, which is not compatible with this version 16.3.";
        assert_eq!(made_by(words), Some("14"));
        assert_eq!(made_by("FATAL: something else"), None);
    }

    #[test]
    fn versions_are_read_from_what_the_server_says() {
        assert_eq!(
            version_of("PostgreSQL 16.3 (Debian 16.3-1) on x86_64").major,
            16
        );
        assert_eq!(version_of("18beta1").major, 18);
    }
}
