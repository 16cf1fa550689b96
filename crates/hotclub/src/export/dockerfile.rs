//! The image of an export: the dependencies from the lock file, in a layer of their own, then the project; no root, no
//! development dependencies.

use hotclub_django::lockfile::Tool;

use super::File;
use super::plan::{APP, Plan};

pub(super) fn files(plan: &Plan) -> Vec<File> {
    vec![
        File::new("Dockerfile", dockerfile(plan)),
        File::new("Dockerfile.dockerignore", IGNORED.to_owned()),
    ]
}

/// Neither secrets nor what is made anew.
const IGNORED: &str = "\
.git
.hotclub
export
**/.env
**/.env.*
**/*.env
**/.venv
**/venv
**/__pycache__
**/node_modules
**/db.sqlite3*
";

fn dockerfile(plan: &Plan) -> String {
    let (python, manage_dir) = (&plan.python, &plan.manage_dir);
    let (copied, install) = install(plan);
    let folders: Vec<&str> = plan
        .static_files
        .iter()
        .chain(&plan.media)
        .map(|folder| folder.path.as_str())
        .collect();
    let folders = match folders.is_empty() {
        true => String::new(),
        false => format!("RUN mkdir -p {0} && chown -R app: {0}\n", folders.join(" ")),
    };
    format!(
        "FROM python:{python}-slim AS build\n\
         WORKDIR {APP}\n\
         ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1\n\
         RUN python -m venv /venv\n\
         ENV PATH=/venv/bin:$PATH VIRTUAL_ENV=/venv\n\
         COPY {copied} ./\n\
         RUN {install}\n\
         RUN pip install 'gunicorn>=23'\n\
         \n\
         FROM python:{python}-slim\n\
         ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1\n\
         RUN useradd --system --create-home --uid 10001 app\n\
         COPY --from=build /venv /venv\n\
         COPY . {APP}\n\
         {folders}\
         WORKDIR {manage_dir}\n\
         USER app\n\
         ENV DJANGO_SETTINGS_MODULE={settings}\n\
         CMD {command}\n",
        settings = plan.settings,
        command = serde_json::Value::from(super::gunicorn::command(plan)),
    )
}

/// What has to be there before the dependencies can be installed, and how they are. The lock's own tool stays out of
/// the environment that runs.
fn install(plan: &Plan) -> (String, String) {
    let lock = &plan.lock;
    let name = lock.rsplit('/').next().unwrap_or(lock);
    let beside = |other: &str| match lock.rsplit_once('/') {
        Some((dir, _)) => format!("{dir}/{other}"),
        None => other.to_owned(),
    };
    let tool = |package: &str| format!("python -m venv /tool && /tool/bin/pip install {package}");
    match plan.tool {
        Tool::Uv => (
            format!("{} {lock}", beside("pyproject.toml")),
            format!(
                "{} && /tool/bin/uv export --frozen --no-dev --no-emit-project -o /locked.txt && pip install --require-hashes -r /locked.txt",
                tool("uv")
            ),
        ),
        Tool::Poetry => (
            format!("{} {lock}", beside("pyproject.toml")),
            format!(
                "{} && /tool/bin/poetry export --only main -o /locked.txt && pip install -r /locked.txt",
                tool("poetry poetry-plugin-export")
            ),
        ),
        Tool::Pipenv => (
            format!("{} {lock}", beside("Pipfile")),
            format!("{} && /tool/bin/pipenv requirements > /locked.txt && pip install -r /locked.txt", tool("pipenv")),
        ),
        Tool::Pdm => (
            format!("{} {lock}", beside("pyproject.toml")),
            format!("{} && /tool/bin/pdm export --prod -o /locked.txt && pip install -r /locked.txt", tool("pdm")),
        ),
        // A requirements file may name others beside it.
        Tool::Requirements => {
            let copied = match lock.rsplit_once('/') {
                Some((dir, _)) => format!("{dir}/*.txt"),
                None => "*.txt".to_owned(),
            };
            (copied, format!("pip install -r {name}"))
        }
        Tool::Pyproject => (
            lock.clone(),
            "python -c \"import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\\n')\" > /wanted.txt && pip install -r /wanted.txt".to_owned(),
        ),
    }
}
