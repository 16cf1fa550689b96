//! Manifests for Kubernetes: a Secret, claims for what lasts, a Job for the release, Deployments for the app and its
//! processes, a CronJob, Service and Ingress; where the site has a PostgreSQL of its own, a StatefulSet, too.

mod database;

use super::plan::Plan;
use super::tree::{Tree, table};
use super::{File, dockerfile, gunicorn, nginx};
use crate::console::Failure;

/// NGINX's port in the pod: below 1024 would need rights.
const FRONT: u16 = 8080;

pub(super) fn files(plan: &Plan) -> Result<Vec<File>, Failure> {
    let mut files = dockerfile::files(plan);
    let mut all = vec![secret(plan)];
    all.extend(
        plan.media
            .as_ref()
            .map(|_| claim(&format!("{}-media", plan.name), "ReadWriteMany", "10Gi")),
    );
    all.extend(database::manifests(plan));
    all.push(config(plan));
    all.push(release(plan));
    all.push(web(plan));
    all.push(service(plan));
    all.push(ingress(plan));
    all.extend(
        plan.processes
            .iter()
            .map(|(name, command)| process(plan, name, command)),
    );
    all.extend(plan.sessions.then(|| clear_sessions(plan)));
    let documents: Vec<String> = all.iter().map(Tree::document).collect();
    files.push(File::secret("manifests.yaml", documents.join("---\n")));
    Ok(files)
}

fn labels(plan: &Plan, component: &str) -> Tree {
    table([
        ("app.kubernetes.io/name", plan.name.replace('_', "-").into()),
        ("app.kubernetes.io/component", component.into()),
    ])
}

fn named(plan: &Plan, name: &str, component: &str) -> Tree {
    table([
        ("name", name.replace('_', "-").into()),
        ("labels", labels(plan, component)),
    ])
}

fn object(api: &str, kind: &str, metadata: Tree) -> Tree {
    table([
        ("apiVersion", api.into()),
        ("kind", kind.into()),
        ("metadata", metadata),
    ])
}

fn secret(plan: &Plan) -> Tree {
    let data = plan
        .env
        .iter()
        .fold(Tree::Table(Vec::new()), |all, (name, value)| {
            all.with(name, value.as_str())
        });
    object(
        "v1",
        "Secret",
        named(plan, &format!("{}-env", plan.name), "app"),
    )
    .with("type", "Opaque")
    .with("stringData", data)
}

fn claim(name: &str, mode: &str, size: &str) -> Tree {
    let metadata = table([("name", name.replace('_', "-").into())]);
    object("v1", "PersistentVolumeClaim", metadata).with(
        "spec",
        table([
            ("accessModes", vec![mode].into()),
            (
                "resources",
                table([("requests", table([("storage", size.into())]))]),
            ),
        ]),
    )
}

fn config(plan: &Plan) -> Tree {
    let ends = nginx::Ends {
        app: "127.0.0.1",
        listen: FRONT,
    };
    object(
        "v1",
        "ConfigMap",
        named(plan, &format!("{}-nginx", plan.name), "front"),
    )
    .with(
        "data",
        table([("default.conf", nginx::config(plan, &ends).into())]),
    )
}

/// The app's container, with what it mounts.
fn container(plan: &Plan, name: &str, command: Vec<String>) -> Tree {
    let env = format!("{}-env", plan.name.replace('_', "-"));
    let secret = table([("secretRef", table([("name", env.into())]))]);
    table([
        ("name", name.into()),
        ("image", plan.image.as_str().into()),
        ("args", command.into()),
        ("envFrom", vec![secret].into()),
        ("volumeMounts", mounts(plan, false).into()),
        (
            "securityContext",
            table([("allowPrivilegeEscalation", false.into())]),
        ),
    ])
}

fn mounts(plan: &Plan, read_only: bool) -> Vec<Tree> {
    let named = [("static", &plan.static_files), ("media", &plan.media)];
    let there = named
        .into_iter()
        .filter_map(|(name, folder)| Some((name, folder.as_ref()?)));
    let mount = |(name, folder): (&str, &super::plan::Folder)| {
        let mount = table([
            ("name", name.into()),
            ("mountPath", folder.path.as_str().into()),
        ]);
        if read_only {
            mount.with("readOnly", true)
        } else {
            mount
        }
    };
    there.map(mount).collect()
}

fn volumes(plan: &Plan) -> Vec<Tree> {
    let mut volumes = Vec::new();
    if plan.static_files.is_some() {
        volumes.push(table([
            ("name", "static".into()),
            ("emptyDir", Tree::Table(Vec::new())),
        ]));
    }
    if plan.media.is_some() {
        let claim = format!("{}-media", plan.name.replace('_', "-"));
        volumes.push(table([
            ("name", "media".into()),
            (
                "persistentVolumeClaim",
                table([("claimName", claim.into())]),
            ),
        ]));
    }
    volumes
}

/// The image's own user; its group may write to the volumes.
fn pod(plan: &Plan, component: &str, containers: Vec<Tree>, restart: &str) -> Tree {
    let spec = table([
        ("restartPolicy", restart.into()),
        ("automountServiceAccountToken", false.into()),
        ("securityContext", table([("fsGroup", 10001.into())])),
        ("containers", containers.into()),
        ("volumes", volumes(plan).into()),
    ]);
    table([
        ("metadata", table([("labels", labels(plan, component))])),
        ("spec", spec),
    ])
}

fn shell(command: String) -> Vec<String> {
    vec!["sh".to_owned(), "-ec".to_owned(), command]
}

/// Applied before the Deployment of a new image; a finished Job has to be deleted before it is applied again.
fn release(plan: &Plan) -> Tree {
    let job = container(plan, "release", shell(plan.release.join(" && ")));
    object(
        "batch/v1",
        "Job",
        named(plan, &format!("{}-release", plan.name), "release"),
    )
    .with(
        "spec",
        table([
            ("backoffLimit", 6.into()),
            ("ttlSecondsAfterFinished", 600.into()),
            ("template", pod(plan, "release", vec![job], "OnFailure")),
        ]),
    )
}

fn deployment(plan: &Plan, name: &str, component: &str, template: Tree) -> Tree {
    object("apps/v1", "Deployment", named(plan, name, component)).with(
        "spec",
        table([
            ("replicas", 1.into()),
            (
                "selector",
                table([("matchLabels", labels(plan, component))]),
            ),
            ("template", template),
        ]),
    )
}

fn web(plan: &Plan) -> Tree {
    let app = container(plan, "app", gunicorn::command(plan));
    let mut front_mounts = vec![table([
        ("name", "nginx".into()),
        ("mountPath", "/etc/nginx/conf.d".into()),
    ])];
    front_mounts.extend(mounts(plan, true));
    let front = table([
        ("name", "nginx".into()),
        ("image", "nginxinc/nginx-unprivileged:stable".into()),
        (
            "ports",
            vec![table([
                ("name", "http".into()),
                ("containerPort", u64::from(FRONT).into()),
            ])]
            .into(),
        ),
        ("volumeMounts", front_mounts.into()),
        ("readinessProbe", probe(plan, 5)),
        ("livenessProbe", probe(plan, 30)),
    ]);
    let config = table([
        ("name", "nginx".into()),
        (
            "configMap",
            table([(
                "name",
                format!("{}-nginx", plan.name.replace('_', "-")).into(),
            )]),
        ),
    ]);
    let mut template = pod(plan, "web", vec![app, front], "Always");
    if let Tree::Table(entries) = &mut template
        && let Some((_, Tree::Table(spec))) = entries.last_mut()
    {
        if plan.static_files.is_some() {
            let collect = container(
                plan,
                "collect",
                shell("python manage.py collectstatic --noinput".to_owned()),
            );
            spec.push(("initContainers".to_owned(), vec![collect].into()));
        }
        if let Some((_, Tree::List(volumes))) = spec.iter_mut().find(|(key, _)| key == "volumes") {
            volumes.push(config);
        }
        spec.push((
            "terminationGracePeriodSeconds".to_owned(),
            (plan.graceful + 5).into(),
        ));
    }
    deployment(plan, &plan.name, "web", template)
}

/// Asks as a visitor would: with the site's own Host, or ALLOWED_HOSTS refuses it, and over what passes for HTTPS.
fn probe(plan: &Plan, period: u64) -> Tree {
    let header = |name: &str, value: &str| table([("name", name.into()), ("value", value.into())]);
    let mut headers = vec![header("Host", plan.host())];
    if plan.wants_https {
        headers.push(header("X-Forwarded-Proto", "https"));
    }
    let get = table([
        ("path", "/".into()),
        ("port", "http".into()),
        ("httpHeaders", headers.into()),
    ]);
    table([
        ("httpGet", get),
        ("periodSeconds", period.into()),
        ("timeoutSeconds", 5.into()),
        ("failureThreshold", 3.into()),
    ])
}

fn service(plan: &Plan) -> Tree {
    let port = table([
        ("name", "http".into()),
        ("port", 80.into()),
        ("targetPort", "http".into()),
    ]);
    object("v1", "Service", named(plan, &plan.name, "web")).with(
        "spec",
        table([
            ("selector", labels(plan, "web")),
            ("ports", vec![port].into()),
        ]),
    )
}

fn ingress(plan: &Plan) -> Tree {
    let backend = || {
        let name = plan.name.replace('_', "-");
        table([(
            "service",
            table([
                ("name", name.into()),
                ("port", table([("name", "http".into())])),
            ]),
        )])
    };
    let path = || {
        table([
            ("path", "/".into()),
            ("pathType", "Prefix".into()),
            ("backend", backend()),
        ])
    };
    let rule = |host: &String| {
        table([
            ("host", host.as_str().into()),
            ("http", table([("paths", vec![path()].into())])),
        ])
    };
    // An address is no host of an Ingress.
    let is_name =
        |host: &&String| host.parse::<std::net::IpAddr>().is_err() && !host.starts_with('[');
    let hosts: Vec<&String> = plan.hosts.iter().filter(is_name).collect();
    let spec = match hosts.is_empty() {
        true => table([("defaultBackend", backend())]),
        false => {
            let names: Vec<&str> = hosts.iter().map(|host| host.as_str()).collect();
            let tls = table([
                ("hosts", names.into()),
                (
                    "secretName",
                    format!("{}-tls", plan.name.replace('_', "-")).into(),
                ),
            ]);
            let rules: Vec<Tree> = hosts.into_iter().map(rule).collect();
            table([("rules", rules.into()), ("tls", vec![tls].into())])
        }
    };
    object(
        "networking.k8s.io/v1",
        "Ingress",
        named(plan, &plan.name, "web"),
    )
    .with("spec", spec)
}

/// One of each: a second Celery beat would do everything twice.
fn process(plan: &Plan, name: &str, command: &str) -> Tree {
    let container = container(plan, "process", shell(format!("exec {command}")));
    let template = pod(plan, name, vec![container], "Always");
    let strategy = table([("type", "Recreate".into())]);
    match deployment(plan, &format!("{}-{name}", plan.name), name, template) {
        Tree::Table(mut entries) => {
            if let Some((_, spec)) = entries.last_mut() {
                *spec = spec.clone().with("strategy", strategy);
            }
            Tree::Table(entries)
        }
        other => other,
    }
}

fn cron(plan: &Plan, name: &str, schedule: &str, template: Tree) -> Tree {
    object(
        "batch/v1",
        "CronJob",
        named(plan, &format!("{}-{name}", plan.name), name),
    )
    .with(
        "spec",
        table([
            ("schedule", schedule.into()),
            ("concurrencyPolicy", "Forbid".into()),
            (
                "jobTemplate",
                table([("spec", table([("template", template)]))]),
            ),
        ]),
    )
}

fn clear_sessions(plan: &Plan) -> Tree {
    let container = container(
        plan,
        "clearsessions",
        shell("python manage.py clearsessions".to_owned()),
    );
    cron(
        plan,
        "clearsessions",
        "17 3 * * *",
        pod(plan, "clearsessions", vec![container], "OnFailure"),
    )
}
