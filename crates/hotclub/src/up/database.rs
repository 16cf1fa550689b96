//! Which database the site stands on, and that it answers before anything asks it.

use std::time::Duration;

use hotclub_config::Engine;
use hotclub_django::database::{self, Connection};
use hotclub_django::inspection::{Database as Settings, Inspection};
use hotclub_django::learn::{Managed, learn};
use hotclub_postgres::{Cluster, Options, Ready, RunAs, Server, Target, programs, wait_ready};

use super::DATABASE_GRACE;
use super::boxed::{self, Boxed};
use crate::console::{Console, Failure};
use crate::project::learnt::{self, Learnt};
use crate::project::{Project, State};

/// The database under the site.
#[derive(Debug)]
pub(crate) enum Database {
    /// Not made ready by us: SQLite, or something we do not know.
    None,
    /// PostgreSQL that somebody else runs, and where it lets us in ourselves.
    Foreign(Option<Target>),
    /// A cluster of our own.
    Managed(Server),
    /// The same in a container.
    Boxed(Box<Boxed>),
}

impl Database {
    /// Returns when a cluster of our own ends by itself.
    pub(crate) async fn fell(&self) -> Failure {
        let server = match self {
            Self::Managed(server) => server,
            Self::Boxed(boxed) => return Box::pin(boxed.fell()).await,
            Self::None | Self::Foreign(_) => return std::future::pending().await,
        };
        let status = server.exited().await;
        Failure::new(format!("PostgreSQL ended by itself ({status})"))
            .detail(server.last_words())
            .hint("start again: it recovers what was committed")
    }

    /// Ends it in order, if it is ours to end.
    pub(crate) async fn stop(&self) {
        match self {
            Self::Managed(server) => {
                let _how = server.stop(DATABASE_GRACE).await;
            }
            Self::Boxed(boxed) => boxed.stop().await,
            Self::None | Self::Foreign(_) => {}
        }
    }

    /// The same at once.
    pub(crate) async fn kill(&self) {
        match self {
            Self::Managed(server) => {
                server.hurry();
                server.exited().await;
            }
            Self::Boxed(boxed) => boxed.kill().await,
            Self::None | Self::Foreign(_) => {}
        }
    }

    pub(crate) fn described(&self, project: &Project) -> String {
        let default = project.inspection.default_database();
        match (self, default) {
            (Self::Boxed(boxed), _) => boxed.described(),
            (Self::Managed(server), _) => format!("PostgreSQL {}", server.cluster().version().text),
            (_, Some(database)) if database.is_sqlite() => {
                format!("SQLite {}", project.shown(database.name.as_ref()).display())
            }
            (_, Some(database)) if database.is_postgres() => {
                format!("PostgreSQL at {}", place(database))
            }
            (_, Some(database)) => database.engine.clone(),
            (_, None) => "no database".to_owned(),
        }
    }
}

fn place(database: &Settings) -> String {
    match (database.host.as_str(), database.port.as_str()) {
        ("", _) => "the local socket".to_owned(),
        (host, "") => host.to_owned(),
        (host, port) => format!("{host}:{port}"),
    }
}

/// Asks the settings, decides for a database, and waits until it is ready.
pub(crate) async fn settle(
    project: &mut Project,
    state: &State,
    console: &Console,
) -> Result<Database, Failure> {
    let (managed, cluster) = decide(project, state, console, None).await?;
    console.begin("database");
    let contained = project.contained.as_ref().filter(|_| managed);
    let database = if let Some(contained) = contained {
        let boxed = Box::pin(Boxed::start(project, contained, state, console));
        Database::Boxed(Box::new(boxed.await?))
    } else if managed {
        let cluster = match cluster {
            Some(cluster) => cluster,
            None => prepare(project, state).await?,
        };
        let server = cluster.start(project.site.database.wait).await;
        Database::Managed(server.map_err(|error| Failure::of_step(&error, error.hint()))?)
    } else {
        foreign(project).await?
    };
    console.done(&database.described(project));
    if let Database::Managed(server) = &database {
        doubt_connections((&*project, state), server, console).await?;
    }
    Ok(database)
}

/// Says so when the server that runs admits fewer sessions than the site may come to want: it was started for fewer
/// workers, or a person's own settings say so.
async fn doubt_connections(
    (project, state): (&Project, &State),
    server: &Server,
    console: &Console,
) -> Result<(), Failure> {
    let wanted = cluster_of(project, state)?.max_connections();
    let admitted = server.max_connections().await;
    let admitted = admitted.map_err(|error| Failure::of_step(&error, error.hint()))?;
    if admitted < wanted {
        let message = format!(
            "PostgreSQL admits {admitted} connections, and {} workers with {} threads each may come to want {wanted}: \
             twice their number, for a reload has both generations, and some for backups and shells",
            project.workers, project.site.app.threads
        );
        let hint = "start PostgreSQL anew (`hotclub restart SITE`, or stop and start `up`), and take max_connections \
                    out of postgresql.conf if it is there; or have fewer workers";
        console.warning(&message, Some(hint));
    }
    Ok(())
}

/// The same over a database that serves already, and goes on.
pub(crate) async fn resettle(
    project: &mut Project,
    state: &State,
    console: &Console,
    held: &Database,
) -> Result<(), Failure> {
    let server = match held {
        Database::Managed(server) => Some(server),
        Database::None | Database::Foreign(_) | Database::Boxed(_) => None,
    };
    let (managed, _) = decide(project, state, console, server).await?;
    let is_kept = match held {
        Database::Boxed(boxed) => managed && boxed.is_still_wanted(project)?,
        Database::Managed(_) => managed,
        Database::None | Database::Foreign(_) => !managed,
    };
    if !is_kept {
        return Err(
            Failure::new("the site stands on another database than before")
                .hint("stop and start for that: a reload keeps the database"),
        );
    }
    match server {
        Some(server) => doubt_connections((&*project, state), server, console).await?,
        None => drop(foreign(project).await?),
    }
    Ok(())
}

/// Whether a cluster of our own is under the site, and that cluster when it had to be made to ask; `held` is
/// one that runs.
async fn decide(
    project: &mut Project,
    state: &State,
    console: &Console,
    held: Option<&Server>,
) -> Result<(bool, Option<Cluster>), Failure> {
    console.begin("settings");
    let circumstances = learnt::circumstances(project)?;
    let recalled = learnt::recall(project, &circumstances, state);
    let unchanged = recalled.is_some();
    let (learnt, cluster) = match recalled {
        Some(learnt) => {
            project.app_mut()?.vars.extend(learnt.injected.clone());
            (learnt, None)
        }
        None => ask(project, state, console, held).await?,
    };
    if !unchanged {
        learnt::keep(state, &circumstances, &learnt)?;
    }
    let Learnt {
        inspection,
        managed,
        note,
        ..
    } = learnt;
    let detail = format!("{}, Django {}", inspection.settings, inspection.django);
    if unchanged {
        console.skipped(&detail)
    } else {
        console.done(&detail)
    }
    project.inspection = inspection;
    if let Some(note) = note {
        console.note(&note);
    }
    Ok((managed, cluster))
}

/// Asks the settings; makes a cluster when they can be pointed at one.
async fn ask(
    project: &mut Project,
    state: &State,
    console: &Console,
    held: Option<&Server>,
) -> Result<(Learnt, Option<Cluster>), Failure> {
    let contained = project.contained.is_some();
    let ordered = project.site.database.engine == Engine::Postgres;
    let offer = match &project.site.database.engine {
        Engine::Detect | Engine::Postgres if contained => Some(Offer::Boxed),
        Engine::Sqlite => None,
        Engine::Url(url) => Some(Offer::Url(connection_of(url.expose())?)),
        Engine::Detect | Engine::Postgres => match programs::find(project.site.database.version) {
            Ok(_) => Some(Offer::Managed),
            Err(error) if project.site.database.engine == Engine::Postgres => {
                return Err(Failure::of_step(&error, error.hint()));
            }
            Err(_) => None,
        },
    };
    let app = project.app_mut()?;
    let own = app.vars.clone();
    let plain = learn(app, None).await;
    let reads = match &plain {
        Ok(learned) => &learned.inspection.env,
        Err(error) => error.raised().map_or(&[][..], |raised| &raised.env),
    };
    let wanted = database::names_a_database(reads)
        || matches!(
            project.site.database.engine,
            Engine::Postgres | Engine::Url(_)
        );
    let is_set = database::is_decided(reads);
    let decided = project.site.database.engine == Engine::Detect && is_set;
    let (connection, cluster) = match offer {
        Some(Offer::Url(connection)) => (Some(connection), None),
        // What the user has set is what its container is made with.
        Some(Offer::Boxed) if wanted && !is_set => (Some(boxed::connection(project, state)?), None),
        Some(Offer::Managed) if wanted && !decided && held.is_some() => {
            (held.map(|server| connection_to(server.cluster())), None)
        }
        Some(Offer::Managed) if wanted && !decided => {
            console.progress("making a PostgreSQL cluster");
            let cluster = prepare(project, state).await?;
            (Some(connection_to(&cluster)), Some(cluster))
        }
        _ => (None, None),
    };
    let app = project.app_mut()?;
    let learned = match &connection {
        None => plain,
        Some(connection) => {
            app.vars = own;
            learn(app, Some(connection)).await
        }
    };
    let learned = learned.map_err(|error| Failure::of_step(&error, error.hint()))?;
    let pointed = learned.database == Managed::Pointed;
    demanded(&project.site.database.engine, &learned.database)?;
    let note = if decided || contained {
        None
    } else {
        note(&learned.database, &learned.inspection)
    };
    let managed = match contained {
        true => ordered || (pointed && project.site.database.engine == Engine::Detect),
        false => pointed && (cluster.is_some() || held.is_some()),
    };
    let learnt = Learnt {
        inspection: learned.inspection,
        injected: learned.injected,
        managed,
        note,
    };
    Ok((learnt, cluster.filter(|_| managed)))
}

/// What the settings could be pointed at.
enum Offer {
    Managed,
    Boxed,
    Url(Connection),
}

/// `engine` in hotclub.toml is an order: settings that cannot follow it are an error.
fn demanded(engine: &Engine, outcome: &Managed) -> Result<(), Failure> {
    let ordered = matches!(engine, Engine::Postgres | Engine::Url(_));
    let reason = match outcome {
        _ if !ordered => return Ok(()),
        Managed::Pointed | Managed::NotOffered => return Ok(()),
        Managed::Decided { names } => format!("{} decide already", names.join(", ")),
        Managed::Impossible { reason } => reason.clone(),
    };
    Err(Failure::new(format!(
        "the settings cannot be pointed at the database: {reason}"
    ))
    .hint("let DATABASES read DATABASE_URL, or DB_NAME, DB_USER, DB_PASSWORD, DB_HOST and DB_PORT"))
}

fn note(outcome: &Managed, inspection: &Inspection) -> Option<String> {
    let sqlite = inspection
        .default_database()
        .is_some_and(Settings::is_sqlite);
    match outcome {
        Managed::NotOffered if sqlite && programs::installed().is_empty() => Some(
            "the site uses SQLite; with PostgreSQL installed (`apt install postgresql`) Hotclub \
             runs a cluster of its own"
                .to_owned(),
        ),
        Managed::NotOffered | Managed::Impossible { .. } if sqlite => Some(
            "the site uses SQLite; settings that read DATABASE_URL or DB_NAME, DB_USER, DB_PASSWORD, \
             DB_HOST get PostgreSQL"
                .to_owned(),
        ),
        _ => None,
    }
}

/// The cluster that a project has, or would have.
pub(crate) fn cluster_of(project: &Project, state: &State) -> Result<Options, Failure> {
    Ok(Options {
        dir: state.dir.join("postgres"),
        version: project.site.database.version,
        user: RunAs::choose().map_err(|error| Failure::of_step(&error, error.hint()))?,
        name: project.site.name.clone(),
        connections: project.workers as u32 * project.site.app.threads,
    })
}

async fn prepare(project: &Project, state: &State) -> Result<Cluster, Failure> {
    Cluster::prepare(cluster_of(project, state)?)
        .await
        .map_err(|error| Failure::of_step(&error, error.hint()))
}

fn connection_to(cluster: &Cluster) -> Connection {
    let connection = cluster.connection();
    Connection {
        socket_dir: connection.socket_dir,
        port: connection.port,
        name: connection.database,
        user: connection.user,
        password: connection.password.expose().to_owned(),
    }
}

/// `[database] engine = "postgres://…"`: the host takes the socket folder's place.
fn connection_of(url: &str) -> Result<Connection, Failure> {
    use hotclub_postgres::ready::Place;
    let target = Target::from_url(url)
        .map_err(|error| Failure::new(format!("[database] engine: {}", error.reason)))?;
    let (socket_dir, port) = match target.place {
        Place::Unix { dir, port } => (dir, port),
        Place::Tcp { host, port } => (host.into(), port),
    };
    let password = target
        .password
        .map(|p| p.expose().to_owned())
        .unwrap_or_default();
    Ok(Connection {
        socket_dir,
        port,
        name: target.database,
        user: target.user,
        password,
    })
}

/// Waits for a PostgreSQL that somebody else runs.
async fn foreign(project: &Project) -> Result<Database, Failure> {
    let Some(database) = project
        .inspection
        .default_database()
        .filter(|d| d.is_postgres())
    else {
        return Ok(Database::None);
    };
    if project.contained.is_some() {
        // Its name may be known in the container's network only: the migrations will find out.
        return Ok(Database::Foreign(None));
    }
    let app = project.app()?;
    let value = |name: &str| {
        app.vars
            .get(name)
            .cloned()
            .or_else(|| std::env::var(name).ok())
    };
    let password = database::password(&project.inspection.env, value);
    if database.has_password && password.is_none() {
        // The password is in the settings themselves: the migrations will find out.
        return Ok(Database::Foreign(None));
    }
    let target = Target {
        place: hotclub_postgres::ready::Place::new(&database.host, database.port.parse().ok()),
        user: database.user.clone(),
        password: password.map(hotclub_config::Secret::from),
        database: database.name.clone(),
        require_tls: false,
    };
    let wait: Duration = project.site.database.wait;
    match wait_ready(&target, wait).await {
        Ok(Ready::Answered { .. }) => Ok(Database::Foreign(Some(target))),
        Ok(Ready::BehindTls) => Ok(Database::Foreign(None)),
        Err(error) => Err(Failure::of_step(&error, Some(error.hint()))),
    }
}
