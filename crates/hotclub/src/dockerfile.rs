//! The Dockerfile that Hotclub writes: the dependencies from the lock file by its own tool, in a layer of their own, then
//! the project; no root, no development dependencies, no compiler in what runs. Its facts are those of the project's
//! files, so that it can be written before anything is installed.

use std::path::Path;

use hotclub_config::{Python, Site};
use hotclub_django::image::{self, Needs, SystemPackage};
use hotclub_django::lockfile::Tool;
use hotclub_django::{find, lockfile};

use crate::console::Failure;

/// The project's folder in the image.
pub(crate) const APP: &str = "/app";
/// Whom the app runs as: a number, so that a folder of the host can be given to it.
const USER: u32 = 10001;
/// The certificates of the host in a build's context.
pub(crate) const CERTIFICATES: &str = ".hotclub-ca.pem";
/// Where the programs of a build look for certificates: pip; Python's and OpenSSL's own; requests; curl and git.
const CERTIFICATE_VARIABLES: [&str; 5] = [
    "PIP_CERT",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
];

/// What never belongs into an image: secrets, and what is made anew.
pub(crate) const IGNORED: &str = "\
.git
.hotclub
export/compose
export/dockerfile
export/kubernetes
export/swarm
**/.env
**/.env.*
**/*.env
**/.venv
**/venv
**/__pycache__
**/node_modules
**/db.sqlite3*
";

/// The facts of one Dockerfile.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    base: Option<String>,
    needs: Needs,
    tool: Tool,
    /// The lock file, from the project's folder.
    lock: String,
    /// manage.py's folder in the image.
    manage_dir: String,
    /// Names of the build's arguments.
    args: Vec<String>,
    /// Whether the build has the host's certificates.
    certificates: bool,
    /// Folders that the app writes.
    folders: Vec<String>,
    server: Option<Server>,
}

/// What the image runs by itself.
#[derive(Debug, Clone)]
struct Server {
    settings: String,
    command: Vec<String>,
}

impl Recipe {
    pub(crate) fn of(site: &Site, found: &find::Project) -> Result<Self, Failure> {
        let dependencies = lockfile::detect(found, site.app.dependencies.as_deref())
            .map_err(|error| Failure::new(error.to_string()).hint(error.hint()))?;
        let version = match &site.app.python {
            Some(Python::Version(version)) => Some(version.as_str()),
            Some(Python::Path(_)) | None => None,
        };
        let needs = image::needs(found, &dependencies, version)
            .map_err(|error| Failure::of_step(&error, error.hint()))?;
        let lock = below(&dependencies.file, &found.root).ok_or_else(|| {
            let file = dependencies.file.display();
            Failure::new(format!(
                "{file} is outside of the folder that an image is built from"
            ))
            .hint("`dependencies` under [app] names a file in the project's folder")
        })?;
        Ok(Self {
            base: site.runtime.base.clone(),
            needs,
            tool: dependencies.tool,
            lock,
            manage_dir: in_image(&found.manage_dir, &found.root),
            args: site.runtime.args.keys().cloned().collect(),
            certificates: false,
            folders: Vec::new(),
            server: None,
        })
    }

    /// With the host's certificates, which are `CERTIFICATES` in the context.
    pub(crate) fn with_certificates(self) -> Self {
        Self {
            certificates: true,
            ..self
        }
    }

    /// One that runs without Hotclub. `python` is the version that the project was seen to run on.
    pub(crate) fn with_server(
        mut self,
        python: &str,
        folders: Vec<String>,
        (settings, command): (String, Vec<String>),
    ) -> Self {
        python.clone_into(&mut self.needs.python);
        Self {
            folders,
            server: Some(Server { settings, command }),
            ..self
        }
    }

    pub(crate) fn text(&self) -> String {
        let usual = || format!("python:{}-slim", self.needs.python);
        let base = self.base.clone().unwrap_or_else(usual);
        let alpine = base.contains("alpine");
        [self.build(&base, alpine), self.run(&base, alpine)].join("\n")
    }

    fn build(&self, base: &str, alpine: bool) -> String {
        let (copied, install) = install(self.tool, &self.lock);
        let mut lines = vec![format!("FROM {base} AS build")];
        lines.extend(self.args.iter().map(|name| format!("ARG {name}")));
        if self.certificates {
            lines.push(format!("COPY {CERTIFICATES} /hotclub-ca.pem"));
            let each = |name: &str| format!("{name}=/hotclub-ca.pem");
            lines.push(format!("ENV {}", CERTIFICATE_VARIABLES.map(each).join(" ")));
        }
        lines.extend(system_packages(&self.needs.build, alpine));
        lines.extend([
            format!("WORKDIR {APP}"),
            "ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1".to_owned(),
            "RUN python -m venv /venv".to_owned(),
            "ENV PATH=/venv/bin:$PATH VIRTUAL_ENV=/venv".to_owned(),
            format!("COPY {copied} ./"),
            format!("RUN {install}"),
        ]);
        if self.server.is_some() {
            lines.push("RUN pip install 'gunicorn>=23'".to_owned());
        }
        lines.join("\n") + "\n"
    }

    fn run(&self, base: &str, alpine: bool) -> String {
        let mut lines = vec![
            format!("FROM {base}"),
            "ENV PATH=/venv/bin:$PATH VIRTUAL_ENV=/venv PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1"
                .to_owned(),
        ];
        lines.extend(system_packages(&self.needs.run, alpine));
        lines.push(match alpine {
            true => format!("RUN adduser -S -D -u {USER} app"),
            false => format!("RUN useradd --system --create-home --uid {USER} app"),
        });
        lines.push("COPY --from=build /venv /venv".to_owned());
        lines.push(format!("COPY . {APP}"));
        if !self.folders.is_empty() {
            let folders = self.folders.join(" ");
            lines.push(format!(
                "RUN mkdir -p {folders} && chown -R {USER} {folders}"
            ));
        }
        lines.push(format!("WORKDIR {}", self.manage_dir));
        lines.push(format!("USER {USER}"));
        if let Some(Server { settings, command }) = &self.server {
            lines.push(format!("ENV DJANGO_SETTINGS_MODULE={settings}"));
            lines.push(format!("CMD {}", serde_json::Value::from(command.clone())));
        }
        lines.join("\n") + "\n"
    }
}

fn system_packages(packages: &[SystemPackage], alpine: bool) -> Option<String> {
    let name = |package: &SystemPackage| {
        if alpine {
            package.alpine
        } else {
            package.debian
        }
    };
    let names: Vec<&str> = packages.iter().map(name).collect();
    let names = names.join(" ");
    (!packages.is_empty()).then(|| match alpine {
        true => format!("RUN apk add --no-cache {names}"),
        false => format!(
            "RUN apt-get update && apt-get install -y --no-install-recommends {names} && rm -rf /var/lib/apt/lists/*"
        ),
    })
}

/// What has to be there before the dependencies can be installed, and how they are. The lock's own tool stays out of
/// the environment that runs.
fn install(tool: Tool, lock: &str) -> (String, String) {
    let name = lock.rsplit('/').next().unwrap_or(lock);
    let beside = |other: &str| match lock.rsplit_once('/') {
        Some((dir, _)) => format!("{dir}/{other}"),
        None => other.to_owned(),
    };
    let exported = |other: &str, package: &str, export: &str, install: &str| {
        let copied = format!("{} {lock}", beside(other));
        let fetch = format!("python -m venv /tool && /tool/bin/pip install {package}");
        let install = format!("{fetch} && /tool/bin/{export} && pip install {install} /locked.txt");
        (copied, install)
    };
    let locked = |other: &str, package: &str, export: &str| exported(other, package, export, "-r");
    match tool {
        Tool::Uv => exported(
            "pyproject.toml",
            "uv",
            "uv export --frozen --no-dev --no-emit-project -o /locked.txt",
            "--require-hashes -r",
        ),
        Tool::Poetry => locked(
            "pyproject.toml",
            "poetry poetry-plugin-export",
            "poetry export --only main -o /locked.txt",
        ),
        Tool::Pipenv => locked("Pipfile", "pipenv", "pipenv requirements > /locked.txt"),
        Tool::Pdm => locked("pyproject.toml", "pdm", "pdm export --prod -o /locked.txt"),
        // A requirements file may name others beside it.
        Tool::Requirements => (beside("*.txt"), format!("pip install -r {name}")),
        Tool::Pyproject => (
            lock.to_owned(),
            "python -c \"import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\\n')\" > /wanted.txt && pip install -r /wanted.txt".to_owned(),
        ),
    }
}

/// From the project's folder.
fn below(path: &Path, root: &Path) -> Option<String> {
    let rest = path.strip_prefix(root).ok()?;
    Some(rest.display().to_string())
}

/// A place of the project in the image.
pub(crate) fn in_image(path: &Path, root: &Path) -> String {
    match below(path, root) {
        Some(rest) if rest.is_empty() => APP.to_owned(),
        Some(rest) => format!("{APP}/{rest}"),
        None => path.display().to_string(),
    }
}
