//! The superuser's way into a site's own cluster, whoever runs it: a server of another Hotclub that serves
//! the site just now, one that is started for the time, or one in a container.

use std::path::Path;
use std::time::Duration;

use tokio_postgres::Client;

use crate::cluster::{Cluster, Options, Server};
use crate::connection::Connection;
use crate::error::Error;
use crate::programs::Programs;
use crate::ready::wait_ready;

/// How long an idle server, started for the time, may take to end.
const STOP: Duration = Duration::from_secs(60);

/// A cluster that answers.
#[derive(Debug)]
pub struct Access {
    admin: Connection,
    app: Connection,
    programs: Programs,
    dir: std::path::PathBuf,
    /// There when it was us who started it.
    server: Option<Server>,
}

impl Access {
    /// Connects to the running server, or starts it. Never makes a cluster.
    pub async fn open(options: Options, wait: Duration) -> Result<Access, Error> {
        if Cluster::is_new(&options.dir) {
            return Err(Error::NoCluster { dir: options.dir });
        }
        match Cluster::prepare(options.clone()).await {
            Ok(cluster) => Access::start(&cluster, wait).await,
            Err(Error::Locked { .. }) => Access::join(&options, wait).await,
            Err(error) => Err(error),
        }
    }

    /// A server of this process.
    pub fn of(server: &Server) -> Access {
        let cluster = server.cluster();
        Access {
            admin: server.admin(),
            app: server.connection(),
            programs: cluster.programs().clone(),
            dir: cluster.dir().to_path_buf(),
            server: None,
        }
    }

    /// One that is run in a container: `login` is its superuser's and the app's. `dir` is on the disk that its data
    /// probably are on, too.
    pub fn elsewhere(login: Connection, programs: Programs, dir: std::path::PathBuf) -> Access {
        Access {
            admin: login.clone(),
            app: login,
            programs,
            dir,
            server: None,
        }
    }

    /// Starts a server that nobody else has.
    pub(crate) async fn start(cluster: &Cluster, wait: Duration) -> Result<Access, Error> {
        let server = cluster.start(wait).await?;
        Ok(Access {
            server: Some(server),
            admin: cluster.admin(),
            app: cluster.connection(),
            programs: cluster.programs().clone(),
            dir: cluster.dir().to_path_buf(),
        })
    }

    async fn join(options: &Options, wait: Duration) -> Result<Access, Error> {
        let (admin, app, programs) = Cluster::known(options)?;
        let ready = wait_ready(&admin.target(), wait).await;
        ready.map_err(|source| Error::NotReady {
            source,
            log: String::new(),
            log_file: options.dir.join("log/postgresql.log"),
        })?;
        let dir = options.dir.clone();
        Ok(Access {
            admin,
            app,
            programs,
            dir,
            server: None,
        })
    }

    /// Ends the server, when it was started for the time.
    pub async fn close(self) {
        if let Some(server) = self.server {
            server.stop(STOP).await;
        }
    }

    /// Whether the server belongs to somebody else, who may be serving visitors from it.
    pub fn is_shared(&self) -> bool {
        self.server.is_none()
    }

    /// The app's own way in.
    pub fn app(&self) -> &Connection {
        &self.app
    }

    /// The superuser's, to any database.
    pub fn admin(&self, database: &str) -> Connection {
        Connection {
            database: database.to_owned(),
            ..self.admin.clone()
        }
    }

    /// The site's database.
    pub fn database(&self) -> &str {
        &self.app.database
    }

    /// Programs of the server's own version.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The cluster's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Logs in as the superuser.
    pub async fn login(&self, database: &str) -> Result<Client, Error> {
        let logged_in = self.admin(database).target().log_in().await;
        let (client, _) = logged_in.map_err(|source| Error::Query {
            doing: "log in to the database",
            source,
        })?;
        Ok(client)
    }
}
