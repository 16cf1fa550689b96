//! PostgreSQL in a container, by an image that keeps the official one's promises.

use std::time::Duration;

use hotclub_testkit::{Docker, Launch, Project, engine, until_within};

use super::{CONFIG, SETTINGS, site, views};
use crate::db::{backups, bad, db, good};
use crate::up::{refusal, says, up};

const PATIENCE: Duration = Duration::from_secs(120);

const DATABASES: &str = r#"
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": os.environ["DB_NAME"], "USER": os.environ["DB_USER"],
    "PASSWORD": os.environ["DB_PASSWORD"], "HOST": os.environ["DB_HOST"],
}}
"#;

/// `/add` adds a user, `/who` counts them, `/old` reads what an older stack has left.
const MORE: &str = r#"
def add(request):
    from django.contrib.auth.models import User
    User.objects.create(username=f"user-{User.objects.count()}")
    return HttpResponse("added")

def old(request):
    from django.db import connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT word FROM old")
        return HttpResponse(cursor.fetchone()[0])

urlpatterns += [path("add", add), path("old", old)]
"#;

pub(super) const ENV: &str = "DB_HOST=db\nDB_NAME=x\nDB_USER=x\nDB_PASSWORD=x\n";

/// With this `[database]`, and these lines in the env file.
pub(super) fn project(database: &str, env: &str) -> Project {
    let project = site("kept");
    let settings = SETTINGS
        .lines()
        .filter(|line| !line.starts_with("DATABASES"));
    let settings: Vec<&str> = settings.collect();
    project.write(
        "src/site_settings.py",
        &format!("{}\n{DATABASES}", settings.join("\n")),
    );
    project.write("src/views.py", &format!("{}{MORE}", views("kept")));
    project.write("env", env);
    let config = CONFIG.replace("volumes = [\"data:/srv/data\"]\n", "");
    let config = format!("{config}\n[env]\nfiles = [\"env\"]\n[database]\n{database}\n");
    project.write("hotclub.toml", &config);
    project
}

fn in_engine(docker: &Docker, project: &Project) -> Launch {
    up(project).env("DOCKER_HOST", docker.host())
}

#[test]
fn a_database_in_a_docker_container_has_no_port_and_is_backed_up_and_restored() {
    let docker = engine!();
    let project = project("version = 15", "");
    let program = in_engine(&docker, &project).serve();
    let users = |program: &hotclub_testkit::Program| {
        let who = program.get("/who").expect(200).text().to_owned();
        who.rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(users(&program), "0");
    program.get("/add").expect(200);
    let ports = docker.ask(&["ps", "--format", "{{.Names}} {{.Ports}}"]);
    assert!(
        ports.contains("hotclub-boxed-db") && !ports.contains("->"),
        "{ports}"
    );

    good(db(&project, "backup", &[]));
    let all = backups(&project);
    assert_eq!(all["backups"][0]["proof"]["state"], "proven", "{all}");
    program.get("/add").expect(200);
    assert_eq!(users(&program), "2");
    good(db(&project, "restore", &[]));
    assert_eq!(users(&program), "1");
    let shell = db(
        &project,
        "shell",
        &["--", "-Atc", "SELECT count(*) + 41 FROM auth_user"],
    );
    assert_eq!(good(shell).stdout.trim(), "42");
    program.stop();
    assert_eq!(docker.containers(""), [""; 0], "nothing is left");
    bad(
        db(&project, "backup", &[]),
        &["does not run just now", "start the site"],
    );

    // The volume is what stays.
    let program = in_engine(&docker, &project).serve();
    assert_eq!(users(&program), "1");
    program.stop();
}

#[test]
fn a_docker_volume_that_is_there_is_taken_over_with_its_data() {
    let docker = engine!();
    an_older_stack(&docker);
    let database = "engine = \"postgres\"\nimage = \"postgres:15\"\nvolume = \"old_data\"";
    let env = "DB_HOST=database\nDB_NAME=portfolio\nDB_USER=artist\nDB_PASSWORD=wrong\n";
    let project = project(database, env);
    let error = refusal(in_engine(&docker, &project));
    says(
        &error,
        &[
            "the volume old_data holds a database whose user artist has another password",
            "those of its first start",
        ],
    );
    assert_eq!(docker.containers(""), [""; 0], "nothing is left");

    project.write("env", &env.replace("wrong", "p w$1"));
    let program = in_engine(&docker, &project).serve();
    assert_eq!(program.get("/old").expect(200).text(), "kept word");
    program.get("/add").expect(200);
    program.stop();
    let labels = docker.ask(&[
        "volume",
        "inspect",
        "old_data",
        "--format",
        "{{json .Labels}}",
    ]);
    assert!(!labels.contains("hotclub"), "{labels}");

    project.edit(
        "hotclub.toml",
        "volume = \"old_data\"",
        "volume = \"nothing\"",
    );
    let error = refusal(in_engine(&docker, &project));
    says(&error, &["there is no volume nothing", "docker volume ls"]);
}

/// What people have: PostgreSQL's image over a named volume, and a row in it.
fn an_older_stack(docker: &Docker) {
    docker.ask(&["volume", "create", "old_data"]);
    docker.ask(&[
        "run",
        "--detach",
        "--name",
        "old",
        "--network",
        "none",
        "--volume",
        "old_data:/var/lib/postgresql/data",
        "--env",
        "POSTGRES_USER=artist",
        "--env",
        "POSTGRES_PASSWORD=p w$1",
        "--env",
        "POSTGRES_DB=portfolio",
        "postgres:15",
    ]);
    let make = "CREATE TABLE old AS SELECT 'kept word' AS word";
    // While an empty volume is begun, the server that answers is not yet the one that stays.
    until_within(PATIENCE, "the old stack", || {
        let pid_1 = docker
            .cli(&["exec", "old", "cat", "/proc/1/comm"])
            .output()
            .unwrap();
        let stays = String::from_utf8_lossy(&pid_1.stdout).trim() == "postgres";
        let psql = [
            "exec",
            "old",
            "psql",
            "-qU",
            "artist",
            "portfolio",
            "-c",
            make,
        ];
        let made = stays && docker.cli(&psql).output().unwrap().status.success();
        made.then_some(())
    });
    docker.ask(&["stop", "old"]);
    docker.ask(&["rm", "old"]);
}
