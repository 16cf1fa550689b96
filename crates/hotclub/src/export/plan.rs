//! What of a site counts elsewhere: the facts that every kind of export is written from. Paths are those in the image,
//! where the project's folder is `/app`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hotclub_config::{Engine, Proxy, Redirect, RedirectFrom};
use hotclub_django::database::{self, Connection};

use crate::console::Failure;
use crate::dockerfile::{Recipe, in_image};
use crate::project::Project;

/// Where Gunicorn listens.
pub(super) const PORT: u16 = 8000;

pub(super) struct Plan {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) hosts: Vec<String>,
    pub(super) wsgi: String,
    pub(super) settings: String,
    pub(super) workers: usize,
    pub(super) threads: u32,
    /// Seconds; 0: no limit.
    pub(super) timeout: u64,
    pub(super) graceful: u64,
    pub(super) max_requests: u32,
    /// `3.12`
    pub(super) python: String,
    pub(super) recipe: Recipe,
    pub(super) static_files: Option<Folder>,
    pub(super) media: Option<Folder>,
    /// `[[files]]`: their folders have to be brought along.
    pub(super) max_body: u64,
    pub(super) redirects: Vec<Redirect>,
    pub(super) proxies: Vec<Proxy>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) processes: Vec<(String, String)>,
    pub(super) release: Vec<String>,
    /// All variables of the app, secrets included.
    pub(super) env: BTreeMap<String, String>,
    /// A PostgreSQL that has to be there, too.
    pub(super) database: Option<Database>,
    /// Sessions are in the database and have to be cleared now and then.
    pub(super) sessions: bool,
    /// The app sends visitors of plain HTTP away.
    pub(super) wants_https: bool,
    /// The project's folder, from the folder of the export.
    pub(super) context: String,
    /// The Dockerfile, from the project's folder.
    pub(super) dockerfile: String,
    pub(super) doubts: Vec<Doubt>,
}

pub(super) struct Folder {
    pub(super) url: String,
    pub(super) path: String,
}

pub(super) struct Database {
    pub(super) version: u32,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) password: String,
}

/// Something that the export leaves to its reader.
pub(super) struct Doubt {
    pub(super) message: String,
    pub(super) hint: String,
}

/// The host name under which the app finds its database.
pub(super) const DATABASE_HOST: &str = "db";
/// What an export stands on when the site does not say which PostgreSQL.
const POSTGRES: u32 = 16;

impl Plan {
    pub(super) fn of(
        project: &Project,
        image: Option<String>,
        folder: &Path,
    ) -> Result<Plan, Failure> {
        let (site, inspection) = (&project.site, &project.inspection);
        let app = project.app()?;
        let root = &project.found.root;
        let mut doubts = Vec::new();
        let mut env = app.vars.clone();
        let database = database(project, &mut env)?;
        let dockerfile = folder.join("Dockerfile");
        Ok(Plan {
            name: site.name.clone(),
            image: image.unwrap_or_else(|| site.name.clone()),
            hosts: site.hosts.clone(),
            wsgi: project.app_name()?,
            settings: inspection.settings.clone(),
            workers: project.workers,
            threads: site.app.threads,
            timeout: site.app.timeout.map_or(0, |time| time.as_secs().max(1)),
            graceful: site.app.graceful_timeout.as_secs().max(1),
            max_requests: site.app.max_requests,
            python: minor(&inspection.python),
            recipe: Recipe::of(site, &project.found)?,
            static_files: folder_of(
                &inspection.static_url,
                &inspection.static_root,
                root,
                "STATIC",
                &mut doubts,
            ),
            media: folder_of(
                &inspection.media_url,
                &inspection.media_root,
                root,
                "MEDIA",
                &mut doubts,
            ),
            max_body: site.limits.max_body,
            redirects: site.redirects.clone(),
            proxies: site.proxies.clone(),
            headers: site.gate.headers.set.clone(),
            processes: site
                .processes
                .iter()
                .map(|process| (process.name.clone(), process.command.clone()))
                .collect(),
            release: release(project),
            env,
            database,
            sessions: inspection
                .installed_apps
                .iter()
                .any(|app| app.starts_with("django.contrib.sessions")),
            wants_https: inspection.secure_ssl_redirect,
            context: from_folder(root, folder),
            dockerfile: below(&dockerfile, root)
                .unwrap_or_else(|| dockerfile.display().to_string()),
            doubts: left_out(project, doubts),
        })
    }

    /// A host that the app answers to.
    pub(super) fn host(&self) -> &str {
        let named = self.hosts.iter().find(|host| !host.starts_with("*."));
        named.map_or("localhost", String::as_str)
    }
}

/// `3.12` of `3.12.4`.
fn minor(version: &str) -> String {
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

fn below(path: &Path, root: &Path) -> Option<String> {
    path.strip_prefix(root)
        .ok()
        .map(|rest| rest.display().to_string())
}

/// `../..`, or the whole path.
fn from_folder(root: &Path, folder: &Path) -> String {
    let resolved = folder
        .ancestors()
        .find_map(|above| Some((above, above.canonicalize().ok()?)));
    let inside = resolved.and_then(|(above, real)| {
        let rest = folder.strip_prefix(above).ok()?;
        real.join(rest)
            .strip_prefix(root)
            .ok()
            .map(Path::to_path_buf)
    });
    match inside {
        Some(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
        Some(inside) => inside
            .components()
            .map(|_| "..")
            .collect::<Vec<_>>()
            .join("/"),
        None => root.display().to_string(),
    }
}

fn folder_of(
    url: &Option<String>,
    path: &Option<PathBuf>,
    root: &Path,
    name: &str,
    doubts: &mut Vec<Doubt>,
) -> Option<Folder> {
    let url = url
        .as_ref()
        .filter(|url| url.starts_with('/') && url.ends_with('/') && url.len() > 1)?;
    let Some(path) = path.as_ref().filter(|path| path.is_absolute()) else {
        doubts.push(Doubt {
            message: format!("{name}_ROOT is not set, so {url} is not served"),
            hint: format!("set {name}_ROOT in the settings, and export once more"),
        });
        return None;
    };
    Some(Folder {
        url: url.clone(),
        path: in_image(path, root),
    })
}

/// The app's own database goes with it, and the variables that lead to it are written anew.
fn database(
    project: &Project,
    env: &mut BTreeMap<String, String>,
) -> Result<Option<Database>, Failure> {
    let engine = &project.site.database.engine;
    let inspection = &project.inspection;
    let is_postgres = inspection
        .default_database()
        .is_some_and(|database| database.is_postgres());
    let decided = database::is_decided(&inspection.env) && !is_ours(project, env);
    let wanted = match engine {
        Engine::Postgres => true,
        Engine::Detect => (is_postgres && !decided) || is_ours(project, env),
        Engine::Sqlite | Engine::Url(_) => false,
    };
    if !wanted {
        return Ok(None);
    }
    let password = random_password()?;
    let connection = Connection {
        socket_dir: DATABASE_HOST.into(),
        port: 5432,
        name: project.site.name.replace('-', "_"),
        user: project.site.name.replace('-', "_"),
        password: password.clone(),
    };
    env.extend(connection.variables(&inspection.env));
    Ok(Some(Database {
        version: project.site.database.version.unwrap_or(POSTGRES),
        name: connection.name,
        user: connection.user,
        password,
    }))
}

/// Whether what leads to a database was put there by us: a socket below the state folder.
fn is_ours(project: &Project, env: &BTreeMap<String, String>) -> bool {
    let Ok(app) = project.app() else { return false };
    let state = app.state.display().to_string();
    let leads =
        |(name, value): (&String, &String)| database::names_a_part(name) && value.contains(&state);
    let by_settings = project
        .inspection
        .default_database()
        .is_some_and(|database| database.host.starts_with(&state));
    by_settings || env.iter().any(leads)
}

fn random_password() -> Result<String, Failure> {
    let mut bytes = [0u8; 24];
    let read = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    if read < bytes.len() {
        return Err(Failure::new("the kernel gave too few random bytes").hint("try again"));
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn release(project: &Project) -> Vec<String> {
    let default = || vec!["python manage.py migrate --noinput".to_owned()];
    project.site.release.command.clone().unwrap_or_else(default)
}

/// What the site has and no export writes down.
fn left_out(project: &Project, mut doubts: Vec<Doubt>) -> Vec<Doubt> {
    let site = &project.site;
    let mut say = |is: bool, what: &str, hint: &str| {
        if is {
            doubts.push(Doubt {
                message: format!("{what} is not exported"),
                hint: hint.to_owned(),
            });
        }
    };
    say(
        !site.files.is_empty(),
        "[[files]]",
        "copy the folders into the image or a volume, and add a location to nginx.conf",
    );
    say(
        !site.gate.access.is_empty() || !site.gate.rates.is_empty(),
        "[[access]] and [[rate]]",
        "write auth_basic, allow, deny and limit_req into nginx.conf",
    );
    say(
        site.pages.is_some(),
        "[static]",
        "copy the folder into the image, and add a location to nginx.conf",
    );
    doubts
}

/// A redirect as NGINX matches it.
pub(super) fn redirect_from(redirect: &Redirect) -> (&'static str, String) {
    match &redirect.from {
        RedirectFrom::Exact(path) => ("= ", path.clone()),
        RedirectFrom::Below(mount) => ("", mount.as_str().to_owned()),
    }
}
