//! How the app logs in to its PostgreSQL in a container: as the settings say, or as Hotclub tells them to.

use std::net::IpAddr;

use hotclub_config::Secret;
use hotclub_django::database::{self, Connection};
use hotclub_django::inspection::Database;
use hotclub_postgres as postgres;
use serde::{Deserialize, Serialize};

use crate::console::Failure;
use crate::project::{Project, State};

const PORT: u16 = 5432;
/// The name by which the app finds it, where the settings name none.
const HOST: &str = "db";

/// The image makes this role a superuser.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Login {
    /// Its name in the network.
    pub(super) host: String,
    pub(super) user: String,
    password: String,
    name: String,
}

/// Without the password.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}/{}", self.user, self.host, self.name)
    }
}

/// What settings that name no database of the user's are pointed at.
pub(crate) fn connection(project: &Project, state: &State) -> Result<Connection, Failure> {
    let name = project.site.name.replace('-', "_");
    let password = postgres::kept_password(&state.dir.join("postgres-container.password"))
        .map_err(|error| Failure::of_step(&error, error.hint()))?;
    Ok(Connection {
        socket_dir: HOST.into(),
        port: PORT,
        name: name.clone(),
        user: name,
        password: password.expose().to_owned(),
    })
}

impl Login {
    pub(super) fn of(project: &Project) -> Result<Self, Failure> {
        let app = project.app()?;
        let default = project.inspection.default_database();
        let default = default.filter(|default| default.is_postgres());
        let default = default.ok_or_else(|| {
            Failure::new("engine = \"postgres\", but the settings use another database")
                .hint("let DATABASES read DATABASE_URL, or DB_NAME, DB_USER, DB_PASSWORD, DB_HOST and DB_PORT")
        })?;
        reachable(default)?;
        let value = |name: &str| app.vars.get(name).cloned();
        let password = database::password(&project.inspection.env, value).ok_or_else(|| {
            Failure::new("the database's password is not among the site's variables").hint(
                "let DATABASES read it from the environment, and set it in an env file ([env] files)",
            )
        })?;
        Ok(Self {
            host: default.host.clone(),
            user: default.user.clone(),
            password,
            name: default.name.clone(),
        })
    }

    /// What the image makes an empty volume's cluster with.
    pub(super) fn variables(&self) -> Vec<String> {
        let all = [
            ("POSTGRES_USER", &self.user),
            ("POSTGRES_PASSWORD", &self.password),
            ("POSTGRES_DB", &self.name),
        ];
        all.map(|(name, value)| format!("{name}={value}")).into()
    }

    /// From this machine.
    pub(super) fn at(&self, address: IpAddr) -> postgres::Connection {
        postgres::Connection {
            socket_dir: address.to_string().into(),
            port: PORT,
            database: self.name.clone(),
            user: self.user.clone(),
            password: Secret::new(self.password.as_str()),
        }
    }
}

/// Whether the app in its own container can find it by what the settings say.
fn reachable(database: &Database) -> Result<(), Failure> {
    let host = database.host.as_str();
    let is_name = host.parse::<IpAddr>().is_err() && !host.starts_with('/');
    if !is_name || matches!(host, "" | "localhost") {
        let message = format!("the settings look for PostgreSQL at {host:?}");
        return Err(Failure::new(message).hint(
            "from its own container the app finds the database's by a name: DB_HOST=db, or none at all",
        ));
    }
    if !matches!(database.port.as_str(), "" | "5432") {
        let message = format!("the settings look for PostgreSQL at port {}", database.port);
        return Err(Failure::new(message).hint("in its container it listens on 5432"));
    }
    Ok(())
}
