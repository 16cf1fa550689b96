//! The site's PostgreSQL in the cluster: one instance with a volume, and a dump each night. An operator or a provider's
//! database is better as soon as there is one: then only `DATABASE_…` in the Secret changes.

use super::super::compose::data_folder;
use super::super::plan::{DATABASE_HOST, Database, Plan};
use super::super::tree::{Tree, table};
use super::{claim, cron, labels, named, object};

pub(super) fn manifests(plan: &Plan) -> Vec<Tree> {
    let Some(database) = &plan.database else {
        return Vec::new();
    };
    vec![
        secret(plan, database),
        service(plan),
        instance(plan, database),
        claim(&format!("{}-backups", plan.name), "ReadWriteOnce", "10Gi"),
        backup(plan, database),
    ]
}

fn secret_name(plan: &Plan) -> String {
    format!("{}-database", plan.name.replace('_', "-"))
}

fn secret(plan: &Plan, database: &Database) -> Tree {
    object("v1", "Secret", named(plan, &secret_name(plan), "database"))
        .with("type", "Opaque")
        .with(
            "stringData",
            table([
                ("POSTGRES_DB", database.name.as_str().into()),
                ("POSTGRES_USER", database.user.as_str().into()),
                ("POSTGRES_PASSWORD", database.password.as_str().into()),
            ]),
        )
}

fn service(plan: &Plan) -> Tree {
    let port = table([("port", 5432.into())]);
    object("v1", "Service", named(plan, DATABASE_HOST, "database")).with(
        "spec",
        table([
            ("selector", labels(plan, "database")),
            ("ports", vec![port].into()),
        ]),
    )
}

fn env_from(plan: &Plan) -> Tree {
    vec![table([(
        "secretRef",
        table([("name", secret_name(plan).into())]),
    )])]
    .into()
}

fn instance(plan: &Plan, database: &Database) -> Tree {
    let data = data_folder(database.version);
    let ready = format!("pg_isready -U {} -d {}", database.user, database.name);
    let container = table([
        ("name", "postgres".into()),
        ("image", format!("postgres:{}", database.version).into()),
        ("envFrom", env_from(plan)),
        // A volume's own lost+found is in the way of a cluster at its root.
        (
            "env",
            vec![table([
                ("name", "PGDATA".into()),
                ("value", format!("{data}/cluster").into()),
            ])]
            .into(),
        ),
        (
            "volumeMounts",
            vec![table([("name", "data".into()), ("mountPath", data.into())])].into(),
        ),
        (
            "readinessProbe",
            table([
                (
                    "exec",
                    table([("command", vec!["sh", "-c", ready.as_str()].into())]),
                ),
                ("periodSeconds", 5.into()),
            ]),
        ),
    ]);
    let template = table([
        ("metadata", table([("labels", labels(plan, "database"))])),
        ("spec", table([("containers", vec![container].into())])),
    ]);
    let volume = table([
        ("metadata", table([("name", "data".into())])),
        (
            "spec",
            table([
                ("accessModes", vec!["ReadWriteOnce"].into()),
                (
                    "resources",
                    table([("requests", table([("storage", "10Gi".into())]))]),
                ),
            ]),
        ),
    ]);
    object(
        "apps/v1",
        "StatefulSet",
        named(plan, &format!("{}-database", plan.name), "database"),
    )
    .with(
        "spec",
        table([
            ("serviceName", DATABASE_HOST.into()),
            ("replicas", 1.into()),
            (
                "selector",
                table([("matchLabels", labels(plan, "database"))]),
            ),
            ("template", template),
            ("volumeClaimTemplates", vec![volume].into()),
        ]),
    )
}

/// Fourteen dumps are kept, each under the day it was made.
fn backup(plan: &Plan, database: &Database) -> Tree {
    let script = format!(
        "PGPASSWORD=$POSTGRES_PASSWORD pg_dump -Fc -h {DATABASE_HOST} -U $POSTGRES_USER $POSTGRES_DB > /backups/new.dump\n\
         mv /backups/new.dump /backups/$(date +%F).dump\n\
         ls -1 /backups/*.dump | sort -r | tail -n +15 | xargs -r rm\n"
    );
    let container = table([
        ("name", "backup".into()),
        ("image", format!("postgres:{}", database.version).into()),
        (
            "command",
            vec!["sh".to_owned(), "-ec".to_owned(), script].into(),
        ),
        ("envFrom", env_from(plan)),
        (
            "volumeMounts",
            vec![table([
                ("name", "backups".into()),
                ("mountPath", "/backups".into()),
            ])]
            .into(),
        ),
    ]);
    let claim = format!("{}-backups", plan.name.replace('_', "-"));
    let volume = table([
        ("name", "backups".into()),
        (
            "persistentVolumeClaim",
            table([("claimName", claim.into())]),
        ),
    ]);
    let spec = table([
        ("restartPolicy", "OnFailure".into()),
        ("containers", vec![container].into()),
        ("volumes", vec![volume].into()),
    ]);
    let template = table([
        ("metadata", table([("labels", labels(plan, "backup"))])),
        ("spec", spec),
    ]);
    cron(plan, "backup", "43 2 * * *", template)
}
