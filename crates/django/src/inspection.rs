//! What Django answered about a project: the facts, without any secret.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the name of the settings module came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingsFrom {
    /// `[app] settings` in hotclub.toml.
    Option,
    /// `DJANGO_SETTINGS_MODULE` in the environment.
    Environment,
    #[default]
    ManagePy,
}

/// An environment variable that the settings' own code asked for while it was imported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvRead {
    pub name: String,
    /// Set, in the environment or in a .env file that the settings load themselves.
    pub set: bool,
    /// Set to nothing.
    pub empty: bool,
    /// Asked for with a default in place (as far as can be seen: `get` and `getenv`).
    pub has_default: bool,
    /// `path:line` of the first read, relative to the project.
    pub at: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Database {
    pub engine: String,
    /// There is such a backend in the environment (its driver may still be missing).
    pub engine_exists: bool,
    pub name: String,
    pub user: String,
    pub host: String,
    pub port: String,
    pub has_password: bool,
    /// Names, never values, of OPTIONS.
    pub options: Vec<String>,
    /// As the settings say it; `null` in JSON may also mean "for ever", see `sets_conn_max_age`.
    pub conn_max_age: Option<f64>,
    pub sets_conn_max_age: bool,
}

impl Database {
    /// Django's own PostgreSQL backend or one built on it (PostGIS, tenants, Prometheus…).
    pub fn is_postgres(&self) -> bool {
        crate::database::is_postgres_engine(&self.engine)
    }

    pub fn is_sqlite(&self) -> bool {
        let last = self.engine.rsplit('.').next().unwrap_or_default();
        matches!(last, "sqlite3" | "spatialite")
    }
}

/// A module that the settings need and the environment lacks (a database driver).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    pub module: String,
    /// What to add to the project's dependencies.
    pub package: String,
    pub needed_by: String,
}

/// Migrations that the default database has not seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pending {
    /// `app.0001_name`, in the order they would be applied; empty: up to date.
    Migrations(Vec<String>),
    /// The database, or a migration file, did not let itself be read.
    Unknown { kind: String, message: String },
}

/// Everything `hotclub inspect` shows and `hotclub up` decides from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    pub settings: String,
    pub settings_from: SettingsFrom,
    /// What wsgi.py would choose, when it differs from `settings`.
    pub wsgi_settings: Option<String>,
    pub django: String,
    pub python: String,
    pub executable: PathBuf,
    /// `module:attribute`.
    pub wsgi: Option<String>,
    /// `WSGI_APPLICATION`, or a guess from the settings' package that exists.
    pub wsgi_from_settings: bool,
    pub asgi: Option<String>,
    pub asgi_from_settings: bool,
    pub debug: bool,
    pub secret_key_insecure: bool,
    /// The variables whose value SECRET_KEY is.
    pub secret_key_env: Vec<String>,
    pub allowed_hosts: Vec<String>,
    pub csrf_trusted_origins: Vec<String>,
    /// Header (CGI form, `HTTP_X_FORWARDED_PROTO`) and the value that means https.
    pub secure_proxy_ssl_header: Option<(String, String)>,
    pub secure_ssl_redirect: bool,
    pub static_url: Option<String>,
    pub static_root: Option<PathBuf>,
    pub static_dirs: Vec<PathBuf>,
    /// The class that keeps them.
    pub static_storage: Option<String>,
    pub staticfiles_installed: bool,
    pub media_url: Option<String>,
    pub media_root: Option<PathBuf>,
    /// By alias; `default` first.
    pub databases: Vec<(String, Database)>,
    pub installed_apps: Vec<String>,
    pub env: Vec<EnvRead>,
    pub missing: Vec<Missing>,
    /// Only when asked for.
    pub pending: Option<Pending>,
}

impl Inspection {
    pub fn default_database(&self) -> Option<&Database> {
        self.databases
            .iter()
            .find(|(alias, _)| alias == "default")
            .map(|(_, database)| database)
    }
}
