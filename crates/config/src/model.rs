//! What the rest of Hotclub sees of `hotclub.toml`: checked, complete with defaults, never changed.
//! Paths are joined to the folder of the file already; `None` means that detection decides.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::access::Gate;
use crate::cache::Cache;
use crate::fault::{Fault, Faults, Positions};
use crate::https::Https;
use crate::listen::Local;
use crate::mount::Mount;
use crate::proxy::Proxy;
use crate::runtime::Runtime;
use crate::web::{Redirect, Static};
use crate::{Secret, defaults};

/// One site: a whole `hotclub.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// The folder that holds the file, and to which its relative paths were joined.
    pub dir: PathBuf,
    /// The file, when there was one.
    pub file: Option<PathBuf>,
    /// `[a-z0-9_-]`, at most 63: names the state folder, database and role. Default: from the folder's name.
    pub name: String,
    /// Host names that are served: small letters, in the `xn--` form, `*.` allowed in front. With `moved` empty,
    /// too: every Host is this site.
    pub hosts: Vec<String>,
    /// Hosts whose visitors are sent to another, which is one of `hosts`.
    pub moved: BTreeMap<String, String>,
    /// `hosts` as it stands in the file.
    pub(crate) written_hosts: Vec<String>,
    pub compress: Compress,
    pub app: App,
    /// Of those who start the app, as all that is skipped here.
    #[serde(skip)]
    pub env: Env,
    #[serde(skip)]
    pub database: Database,
    pub files: Vec<Files>,
    pub proxies: Vec<Proxy>,
    /// `[static]`.
    pub pages: Option<Static>,
    pub redirects: Vec<Redirect>,
    /// `[[access]]`, `[[rate]]`, `[headers]`, `[errors]`, `[maintenance]`.
    pub gate: Gate,
    pub cache: Cache,
    pub processes: Vec<Process>,
    pub release: Release,
    pub runtime: Runtime,
    pub limits: Limits,
    pub log: Log,
    pub server: Server,
    pub https: Https,
    /// Doubts that stop nothing: say them once at start.
    #[serde(skip)]
    pub warnings: Faults,
    #[serde(skip)]
    pub(crate) positions: Positions,
}

impl Site {
    /// Whether the file sets this key, by its dotted path: `"app.workers"`, `"files.0.url"`.
    pub fn sets(&self, key: &str) -> bool {
        self.positions.contains(key)
    }

    /// Every host that leads here: those served, and those that are sent to another.
    pub fn all_hosts(&self) -> impl Iterator<Item = &str> {
        let served = self.hosts.iter().chain(self.moved.keys());
        served.map(String::as_str)
    }

    /// The key at which a host was written; `hosts` when `www` or `canonical` made it.
    pub(crate) fn place_of_host(&self, host: &str) -> String {
        let written = self.written_hosts.iter().position(|other| other == host);
        written.map_or_else(|| "hosts".to_owned(), |at| format!("hosts.{at}"))
    }

    /// A fault at a key's value, found by a later stage (a missing folder, a module that cannot be
    /// imported). A key that the file does not set gives a fault without a line.
    pub fn fault_at(&self, key: &str, message: impl Into<String>) -> Fault {
        self.positions.fault(key, message.into())
    }
}

/// `compress`: whether what the app and other servers answer is compressed on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compress {
    /// Where its length cannot give a secret away.
    Safe,
    Always,
    Off,
}

/// `[app]`: what runs, with how many workers, and how long it may take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct App {
    /// Where `manage.py` is.
    pub dir: Option<PathBuf>,
    /// `module:callable`.
    pub wsgi: Option<String>,
    /// `module:callable`; not served yet.
    pub asgi: Option<String>,
    /// The settings module.
    pub settings: Option<String>,
    pub python: Option<Python>,
    /// The lock or requirements file to install from, when there are several.
    pub dependencies: Option<PathBuf>,
    /// `None`: from the cores.
    pub workers: Option<u32>,
    pub threads: u32,
    pub preload: bool,
    /// Per request, wall clock; `None` (written `"0s"`): unlimited.
    pub timeout: Option<Duration>,
    pub graceful_timeout: Duration,
    pub queue_timeout: Duration,
    pub max_queue: u32,
    /// 0: never recycled by count.
    pub max_requests: u32,
    pub max_requests_jitter: u32,
    /// Bytes of one worker; `None`: no limit, for a guess would kill a healthy site.
    pub max_memory: Option<u64>,
    /// After this long, and up to a tenth more, a worker is recycled; `None` (written `"0s"`): never.
    pub max_lifetime: Option<Duration>,
    pub reload: bool,
    pub retry: bool,
    pub tune: Tune,
}

/// `[app.tune]`: which of Django's settings are improved on where they say nothing. `tune = false`
/// turns all of it off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tune {
    /// Keep database connections between requests.
    pub persistent_connections: bool,
    /// Parse each template once a process.
    pub cached_templates: bool,
    /// Look for garbage less often.
    pub gc: bool,
    /// Leave GZipMiddleware out where the front compresses everything that it would.
    pub idle_gzip: bool,
    /// Leave WhiteNoise's middleware out where the front serves all that it would.
    pub idle_whitenoise: bool,
    /// One cache for all workers in the place of one in each. Off unless asked for: it is slower.
    pub shared_cache: bool,
}

impl Tune {
    /// All that needs no asking for, or nothing.
    #[must_use]
    pub const fn all(wanted: bool) -> Self {
        Self {
            persistent_connections: wanted,
            cached_templates: wanted,
            gc: wanted,
            idle_gzip: wanted,
            idle_whitenoise: wanted,
            shared_cache: false,
        }
    }
}

/// `[app] python`: a version to look for, or the interpreter itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Python {
    /// `"3"`, `"3.11"` or `"3.11.4"`.
    Version(String),
    Path(PathBuf),
}

/// `[env]`: what is added to the app's environment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Env {
    /// In order; later files win.
    pub files: Vec<PathBuf>,
    /// The outcome: all files, then `set`, which wins. Only `load` reads the files; `parse` has `set` alone.
    pub vars: BTreeMap<String, EnvVar>,
}

/// One variable and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvVar {
    pub value: Secret,
    pub origin: Origin,
}

/// Who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An env file; `line` counts from 1.
    File { path: PathBuf, line: usize },
    /// `[env] set`.
    Set,
}

/// `[database]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Database {
    pub engine: Engine,
    /// The major version of a managed cluster; `None`: what the cluster has, or the newest installed.
    pub version: Option<u32>,
    /// How long readiness may take.
    pub wait: Duration,
    pub backup: Backup,
    /// The image of a container's PostgreSQL; `None`: `postgres:VERSION`.
    pub image: Option<String>,
    /// A volume that is there, for its data; `None`: the site's own.
    pub volume: Option<String>,
    /// A folder whose scripts an empty volume is begun with.
    pub init: Option<PathBuf>,
}

/// `[database.backup]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// How many of each reason stay.
    pub keep: u32,
    /// One each day while the site runs.
    pub daily: bool,
    /// One before migrations that are pending.
    pub before_migrations: bool,
    /// With the media folder.
    pub media: bool,
    /// What sh(1) runs when one fails.
    pub command: Option<String>,
    /// Where a failure is posted to; such URLs hold keys.
    pub url: Option<Secret>,
}

/// `[database] engine`.
#[derive(Debug, Clone, PartialEq)]
pub enum Engine {
    /// Not written: what the project's settings resolve to.
    Detect,
    /// Managed: a private cluster.
    Postgres,
    Sqlite,
    /// A database that is not Hotclub's; the URL holds a password.
    Url(Secret),
}

/// `[[files]]`: a folder served under a URL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Files {
    pub url: Mount,
    pub path: PathBuf,
    /// Only by X-Accel-Redirect / X-Sendfile, never by a visitor's own request.
    pub internal: bool,
    /// `Cache-Control: max-age`; `None`: the front's rules for static and media files.
    pub max_age: Option<Duration>,
    /// All of Cache-Control.
    pub cache: Option<String>,
    /// Folders show what they hold.
    pub index: bool,
}

/// `[[process]]`: a program that runs beside the app, exactly once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    pub name: String,
    pub command: String,
}

/// `[release]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Release {
    /// Run in order, once a release; `None`: Django's default (migrate). An empty list: nothing.
    pub command: Option<Vec<String>>,
}

/// `[limits]`: what a visitor may take. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub max_body: u64,
    pub max_header: u64,
    pub max_headers: u32,
    pub header_timeout: Duration,
    pub idle_timeout: Duration,
    /// Bytes a second; 0 turns it off.
    pub min_rate: u64,
    pub max_connections: u32,
    /// 0: no limit.
    pub max_connections_per_address: u32,
    /// Requests at once on one connection of HTTP/2.
    pub max_streams: u32,
    /// Memory for one answer that waits for its client.
    pub max_buffered_per_connection: u64,
    /// Memory for all bodies.
    pub max_buffered: u64,
    /// Temporary files for all bodies.
    pub max_spooled: u64,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    pub access: AccessLog,
    pub format: LogFormat,
    /// Bytes after which a file is put aside; `None`: never.
    pub rotate: Option<u64>,
    /// Files that were put aside and are kept.
    pub keep: u32,
}

/// Where a line for each request goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessLog {
    Stdout,
    Off,
    File(PathBuf),
}

/// How such a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogFormat {
    Combined,
    Json,
}

/// `[server]`: how this site is reached when it has a server of its own (`hotclub up`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    pub listen: Vec<Listen>,
    /// Where metrics are told; `None`: nowhere.
    pub metrics: Option<Local>,
    /// Whose X-Forwarded-* are believed. Empty: nobody's.
    pub trusted_proxies: Vec<IpNet>,
    /// HTTP/2 without TLS, for clients that begin with it.
    pub h2c: bool,
    /// Every connection begins with a header of the PROXY protocol, of one of these proxies.
    pub proxy_protocol: bool,
}

/// An address to listen on. `FromStr` reads what the command line's `--listen` takes, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listen {
    /// Plain HTTP.
    Tcp(SocketAddr),
    /// HTTP over TLS.
    Https(SocketAddr),
    Unix(PathBuf),
}

impl Site {
    /// The site of a folder without `hotclub.toml`: defaults only.
    pub fn detected(dir: &Path) -> Site {
        Site {
            dir: dir.to_path_buf(),
            file: None,
            name: crate::name::from_folder(dir),
            hosts: Vec::new(),
            moved: BTreeMap::new(),
            written_hosts: Vec::new(),
            compress: defaults::COMPRESS,
            app: App::default(),
            env: Env::default(),
            database: Database::default(),
            files: Vec::new(),
            proxies: Vec::new(),
            pages: None,
            redirects: Vec::new(),
            gate: Gate::default(),
            cache: Cache::default(),
            processes: Vec::new(),
            release: Release::default(),
            runtime: Runtime::default(),
            limits: Limits::default(),
            log: Log {
                access: AccessLog::Stdout,
                format: LogFormat::Combined,
                rotate: None,
                keep: defaults::LOGS_KEPT,
            },
            server: Server::default(),
            https: Https::default(),
            warnings: Faults::default(),
            positions: Positions::default(),
        }
    }
}

impl Default for App {
    fn default() -> Self {
        App {
            dir: None,
            wsgi: None,
            asgi: None,
            settings: None,
            python: None,
            dependencies: None,
            workers: None,
            threads: defaults::THREADS,
            preload: defaults::PRELOAD,
            timeout: Some(defaults::TIMEOUT),
            graceful_timeout: defaults::GRACEFUL_TIMEOUT,
            queue_timeout: defaults::QUEUE_TIMEOUT,
            max_queue: defaults::MAX_QUEUE,
            max_requests: defaults::MAX_REQUESTS,
            max_requests_jitter: defaults::MAX_REQUESTS_JITTER,
            max_memory: None,
            max_lifetime: defaults::MAX_LIFETIME,
            reload: defaults::RELOAD,
            retry: defaults::RETRY,
            tune: Tune::default(),
        }
    }
}

impl Default for Tune {
    fn default() -> Self {
        Tune::all(defaults::TUNE)
    }
}

impl Default for Backup {
    fn default() -> Self {
        Backup {
            keep: defaults::BACKUPS_KEPT,
            daily: defaults::BACKUP_DAILY,
            before_migrations: defaults::BACKUP_BEFORE_MIGRATIONS,
            media: defaults::BACKUP_MEDIA,
            command: None,
            url: None,
        }
    }
}

impl Default for Database {
    fn default() -> Self {
        Database {
            engine: Engine::Detect,
            version: None,
            wait: defaults::DATABASE_WAIT,
            backup: Backup::default(),
            image: None,
            volume: None,
            init: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_body: defaults::MAX_BODY,
            max_header: defaults::MAX_HEADER,
            max_headers: defaults::MAX_HEADERS,
            header_timeout: defaults::HEADER_TIMEOUT,
            idle_timeout: defaults::IDLE_TIMEOUT,
            min_rate: defaults::MIN_RATE,
            max_connections: defaults::MAX_CONNECTIONS,
            max_connections_per_address: defaults::MAX_CONNECTIONS_PER_ADDRESS,
            max_streams: defaults::MAX_STREAMS,
            max_buffered_per_connection: defaults::MAX_BUFFERED_PER_CONNECTION,
            max_buffered: defaults::MAX_BUFFERED,
            max_spooled: defaults::MAX_SPOOLED,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: vec![Listen::Tcp(defaults::LISTEN)],
            metrics: None,
            trusted_proxies: Vec::new(),
            h2c: defaults::H2C,
            proxy_protocol: defaults::PROXY_PROTOCOL,
        }
    }
}
