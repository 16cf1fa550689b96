//! Docker Compose: database, a release that runs once, the app, processes, NGINX in front of all.

use super::plan::{DATABASE_HOST, Plan};
use super::tree::{Tree, table};
use super::{File, dockerfile, environment, gunicorn, nginx};
use crate::console::Failure;

pub(super) fn files(plan: &Plan) -> Result<Vec<File>, Failure> {
    let mut files = dockerfile::files(plan);
    files.extend(environments(plan));
    let ends = nginx::Ends {
        app: "web",
        listen: 80,
    };
    files.push(File::new("nginx.conf", nginx::config(plan, &ends)));
    files.push(File::new("docker-compose.yml", project(plan).document()));
    Ok(files)
}

/// `app.env` and `database.env`.
pub(super) fn environments(plan: &Plan) -> Vec<File> {
    let mut files = vec![File::secret("app.env", environment::file(&plan.env))];
    if let Some(database) = &plan.database {
        let vars = [
            ("POSTGRES_DB", &database.name),
            ("POSTGRES_USER", &database.user),
            ("POSTGRES_PASSWORD", &database.password),
        ];
        let vars = vars
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .into();
        files.push(File::secret("database.env", environment::file(&vars)));
    }
    files
}

fn project(plan: &Plan) -> Tree {
    let mut services = Tree::Table(Vec::new());
    if plan.database.is_some() {
        services = services.with(DATABASE_HOST, database(plan));
    }
    services = services
        .with("release", release(plan))
        .with("web", web(plan));
    for (name, command) in &plan.processes {
        services = services.with(name, process(plan, command));
    }
    services = services.with("nginx", front(plan));
    let volumes = volume_names(plan)
        .into_iter()
        .fold(Tree::Table(Vec::new()), |all, name| {
            all.with(name, Tree::Table(Vec::new()))
        });
    table([
        ("name", plan.name.as_str().into()),
        ("services", services),
        ("volumes", volumes),
    ])
}

pub(super) fn volume_names(plan: &Plan) -> Vec<&'static str> {
    let all = [
        (plan.database.is_some(), "database"),
        (plan.static_files.is_some(), "static"),
        (plan.media.is_some(), "media"),
    ];
    all.into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, name)| name)
        .collect()
}

/// Named volumes of static files and uploads, at the same paths everywhere.
pub(super) fn volumes(plan: &Plan, read_only: bool) -> Vec<String> {
    let mode = if read_only { ":ro" } else { "" };
    let named = [("static", &plan.static_files), ("media", &plan.media)];
    let there = named
        .into_iter()
        .filter_map(|(name, folder)| Some((name, folder.as_ref()?)));
    there
        .map(|(name, folder)| format!("{name}:{}{mode}", folder.path))
        .collect()
}

/// From 18 on the image keeps its data one folder higher.
pub(super) fn data_folder(version: u32) -> &'static str {
    match version {
        0..=17 => "/var/lib/postgresql/data",
        _ => "/var/lib/postgresql",
    }
}

pub(super) fn database(plan: &Plan) -> Tree {
    let Some(database) = &plan.database else {
        return Tree::Table(Vec::new());
    };
    let check = format!("pg_isready -U {} -d {}", database.user, database.name);
    table([
        ("image", format!("postgres:{}", database.version).into()),
        ("restart", "unless-stopped".into()),
        ("env_file", vec!["database.env"].into()),
        (
            "volumes",
            vec![format!("database:{}", data_folder(database.version))].into(),
        ),
        (
            "healthcheck",
            table([
                ("test", vec!["CMD-SHELL", check.as_str()].into()),
                ("interval", "5s".into()),
                ("timeout", "5s".into()),
                ("retries", 24.into()),
            ]),
        ),
    ])
}

fn app(plan: &Plan) -> Tree {
    table([
        ("image", plan.image.as_str().into()),
        (
            "build",
            table([
                ("context", plan.context.as_str().into()),
                ("dockerfile", plan.dockerfile.as_str().into()),
            ]),
        ),
        ("env_file", vec!["app.env"].into()),
        ("volumes", volumes(plan, false).into()),
    ])
}

fn after(conditions: &[(&str, &str)]) -> Tree {
    let each = |all: Tree, (name, condition): &(&str, &str)| {
        all.with(name, table([("condition", (*condition).into())]))
    };
    conditions.iter().fold(Tree::Table(Vec::new()), each)
}

/// Once, before anything is served.
fn release(plan: &Plan) -> Tree {
    let release = app(plan)
        .with(
            "command",
            vec!["sh".to_owned(), "-ec".to_owned(), gunicorn::release(plan)],
        )
        .with("restart", "no");
    match plan.database.is_some() {
        true => release.with("depends_on", after(&[(DATABASE_HOST, "service_healthy")])),
        false => release,
    }
}

fn web(plan: &Plan) -> Tree {
    app(plan)
        .with("command", gunicorn::command(plan))
        .with("restart", "unless-stopped")
        .with("stop_grace_period", format!("{}s", plan.graceful + 5))
        .with(
            "depends_on",
            after(&[("release", "service_completed_successfully")]),
        )
}

fn process(plan: &Plan, command: &str) -> Tree {
    app(plan)
        .with("command", command)
        .with("restart", "unless-stopped")
        .with(
            "depends_on",
            after(&[("release", "service_completed_successfully")]),
        )
}

fn front(plan: &Plan) -> Tree {
    let mut mounts = vec!["./nginx.conf:/etc/nginx/conf.d/default.conf:ro".to_owned()];
    mounts.extend(volumes(plan, true));
    table([
        ("image", "nginx:stable".into()),
        ("restart", "unless-stopped".into()),
        ("ports", vec!["80:80"].into()),
        ("volumes", mounts.into()),
        ("depends_on", after(&[("web", "service_started")])),
    ])
}
