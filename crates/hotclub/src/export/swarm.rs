//! A stack for Docker Swarm: `docker stack deploy`. Swarm builds no images and waits for nobody, so the image has to be
//! in a registry that all nodes reach, and every service tries again until what it needs is there.

use super::compose::{database, environments, volume_names, volumes};
use super::plan::{DATABASE_HOST, Plan};
use super::tree::{Tree, table};
use super::{File, dockerfile, gunicorn, nginx};
use crate::console::Failure;

pub(super) fn files(plan: &Plan) -> Result<Vec<File>, Failure> {
    let mut files = dockerfile::files(plan);
    files.extend(environments(plan));
    let ends = nginx::Ends {
        app: "web",
        listen: 80,
    };
    files.push(File::new("nginx.conf", nginx::config(plan, &ends)));
    files.push(File::new("stack.yml", stack(plan).document()));
    Ok(files)
}

fn stack(plan: &Plan) -> Tree {
    let mut services = Tree::Table(Vec::new());
    if plan.database.is_some() {
        services = services.with(
            DATABASE_HOST,
            on_one_node(only(database(plan), &["restart"]), 1),
        );
    }
    let once = table([("condition", "on-failure".into()), ("delay", "5s".into())]);
    let release = app(plan)
        .with(
            "command",
            vec!["sh".to_owned(), "-ec".to_owned(), gunicorn::release(plan)],
        )
        .with(
            "deploy",
            table([("restart_policy", once), ("placement", here())]),
        );
    services = services.with("release", release).with(
        "web",
        on_one_node(app(plan).with("command", gunicorn::command(plan)), 1),
    );
    for (name, command) in &plan.processes {
        services = services.with(
            name,
            on_one_node(app(plan).with("command", command.as_str()), 1),
        );
    }
    services = services.with("nginx", front(plan));
    let each = |all: Tree, name: &str| all.with(name, Tree::Table(Vec::new()));
    let volumes = volume_names(plan)
        .into_iter()
        .fold(Tree::Table(Vec::new()), each);
    table([
        ("version", "3.8".into()),
        ("services", services),
        ("volumes", volumes),
        (
            "configs",
            table([("nginx", table([("file", "./nginx.conf".into())]))]),
        ),
    ])
}

/// A service without some of its keys.
fn only(service: Tree, without: &[&str]) -> Tree {
    match service {
        Tree::Table(entries) => Tree::Table(
            entries
                .into_iter()
                .filter(|(key, _)| !without.contains(&key.as_str()))
                .collect(),
        ),
        other => other,
    }
}

fn app(plan: &Plan) -> Tree {
    table([
        ("image", plan.image.as_str().into()),
        ("env_file", vec!["app.env"].into()),
        ("volumes", volumes(plan, false).into()),
    ])
}

/// Named volumes are a node's own: what shares them has to be on one.
fn here() -> Tree {
    table([("constraints", vec!["node.role == manager"].into())])
}

fn on_one_node(service: Tree, replicas: u64) -> Tree {
    let policy = table([("condition", "any".into()), ("delay", "2s".into())]);
    service.with(
        "deploy",
        table([
            ("replicas", replicas.into()),
            ("restart_policy", policy),
            ("placement", here()),
        ]),
    )
}

fn front(plan: &Plan) -> Tree {
    let config = table([
        ("source", "nginx".into()),
        ("target", "/etc/nginx/conf.d/default.conf".into()),
    ]);
    let front = table([
        ("image", "nginx:stable".into()),
        ("ports", vec!["80:80"].into()),
        ("configs", vec![config].into()),
        ("volumes", volumes(plan, true).into()),
    ]);
    on_one_node(front, 1)
}
