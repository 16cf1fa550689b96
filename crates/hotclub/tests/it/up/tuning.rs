//! What `up` tells Django where its settings say nothing.

use std::collections::BTreeSet;

use hotclub_testkit::{Launch, Load, Postgres, Program, Project, Python, need, python};
use serde_json::Value;

use super::up;

/// A production's settings on the database that the environment names, with loaders named.
const SETTINGS: &str = r#"
import os
DEBUG = False
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "site", "USER": os.environ.get("DB_USER"), "PASSWORD": os.environ.get("DB_PASSWORD"),
    "HOST": os.environ.get("DB_HOST"),
}}
TEMPLATES[0]["APP_DIRS"] = False
TEMPLATES[0]["OPTIONS"]["loaders"] = ["django.template.loaders.app_directories.Loader"]
"#;

const SQLITE_SETTINGS: &str = r#"
DEBUG = False
ALLOWED_HOSTS = ["*"]
TEMPLATES[0]["APP_DIRS"] = False
TEMPLATES[0]["OPTIONS"]["loaders"] = ["django.template.loaders.app_directories.Loader"]
"#;

const VIEWS: &str = r#"
from django.db import connection
from django.http import HttpResponse
from django.urls import path

def ask(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]

def backend(request):
    return HttpResponse(ask("select pg_backend_pid()"))

def application(request):
    return HttpResponse(ask("show application_name"))

def rename(request):
    with connection.cursor() as cursor:
        cursor.execute("set application_name = 'renamed'")
    return HttpResponse("renamed")

urlpatterns = [path("", backend), path("name", application), path("rename", rename)]
"#;

/// A view that cannot live with a tuning.
const REFUSES_CACHE: &str = r#"
from django.http import HttpResponse
from django.template import engines
from django.urls import path

def home(request):
    loader = type(engines.all()[0].engine.template_loaders[0]).__module__
    assert "cached" not in loader, "no cache for me"
    return HttpResponse(loader)

urlpatterns = [path("", home)]
"#;

fn on_postgres(python: &Python, cluster: &Postgres) -> (Project, Launch) {
    let project = Project::startproject(python, "mysite", &["psycopg", "psycopg-binary"]);
    project
        .append("mysite/settings.py", SETTINGS)
        .write("mysite/urls.py", VIEWS);
    let launch = start(&project, cluster);
    (project, launch)
}

fn start(project: &Project, cluster: &Postgres) -> Launch {
    let (user, password) = cluster.owner();
    up(project)
        .env("DB_HOST", cluster.host())
        .env("DB_USER", user)
        .env("DB_PASSWORD", password)
}

/// The tunings that were done but `gc`, which always is, and the reasons for what was not.
fn tuned(program: &Program) -> (BTreeSet<String>, Vec<String>) {
    let event = program.event(0, "tuned");
    let texts = |of: &Value, key: &str| {
        let all = of.as_array().unwrap().iter();
        all.map(|finding| finding[key].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let done = texts(&event["done"], "tuning").into_iter();
    let done = done.filter(|tuning| tuning != "gc").collect();
    (done, texts(&event["left"], "what"))
}

fn bodies(program: &Program, path: &str, count: usize) -> BTreeSet<String> {
    let ask = |_| program.get(path).expect(200).text().to_owned();
    (0..count).map(ask).collect()
}

fn both() -> BTreeSet<String> {
    ["persistent_connections", "cached_templates"]
        .map(str::to_owned)
        .into()
}

fn only_templates() -> BTreeSet<String> {
    BTreeSet::from(["cached_templates".to_owned()])
}

#[track_caller]
fn warned(program: &Program, text: &str) {
    let warnings = program.events("warning");
    let said = |warning: &Value| warning["message"].as_str().unwrap().contains(text);
    assert!(warnings.iter().any(said), "{text:?} is not in {warnings:?}");
}

fn connections(cluster: &Postgres) -> usize {
    let count = "select count(*) from pg_stat_activity \
                 where datname = 'site' and pid <> pg_backend_pid()";
    cluster.psql("site", count).parse().unwrap()
}

#[test]
fn workers_keep_their_postgres_connections_and_the_fork_server_keeps_none() {
    let python = need!(python());
    let cluster = need!(Postgres::start());
    let (_project, launch) = on_postgres(&python, &cluster);
    let program = launch.serve();
    assert_eq!(tuned(&program), (both(), vec![]));
    let backends = bodies(&program, "/", 20);
    assert!(backends.len() <= 2, "two workers used {backends:?}");
    let open = connections(&cluster);
    assert!(open <= 2, "{open} connections of two workers");
    program.stop();
}

#[test]
fn with_tune_false_postgres_connections_are_made_as_the_settings_say() {
    let python = need!(python());
    let cluster = need!(Postgres::start());
    let (project, launch) = on_postgres(&python, &cluster);
    project.write("hotclub.toml", "[app]\ntune = false\n");
    let program = launch.serve();
    assert_eq!(bodies(&program, "/", 5).len(), 5);
    assert!(program.events("tuned").is_empty());
    program.stop();
    project.write(
        "hotclub.toml",
        "[app.tune]\npersistent_connections = false\n",
    );
    let program = start(&project, &cluster).serve();
    assert_eq!(bodies(&program, "/", 5).len(), 5);
    assert_eq!(tuned(&program), (only_templates(), vec![]));
    program.stop();
}

#[test]
fn what_a_request_sets_in_its_postgres_session_is_over_with_it() {
    let python = need!(python());
    let cluster = need!(Postgres::start());
    let (_project, launch) = on_postgres(&python, &cluster);
    let program = launch.serve();
    for _ in 0..10 {
        program.get("/rename").expect(200);
    }
    let names = bodies(&program, "/name", 10);
    assert_eq!(names, BTreeSet::from([String::new()]));
    program.stop();
}

/// Each of the two workers may have a query under way when the server ends its connections.
#[test]
fn a_restart_of_postgres_costs_no_request_that_had_not_begun_its_query() {
    let python = need!(python());
    let mut cluster = need!(Postgres::start());
    let (_project, launch) = on_postgres(&python, &cluster);
    let program = launch.serve();
    let load = Load::start(program.address(), "/", 6);
    load.more(50);
    for _ in 0..3 {
        cluster.restart();
        load.more(50);
    }
    let tally = load.finish();
    assert!(tally.good > 150, "{tally:?}");
    assert!(tally.failures.len() <= 3 * 2, "{:?}", tally.failures);
    program.stop();
}

#[test]
fn connections_that_would_not_fit_into_postgres_are_not_kept_and_that_is_said() {
    let python = need!(python());
    let cluster = need!(Postgres::start());
    cluster.psql("site", "alter role owner connection limit 1");
    let (_project, launch) = on_postgres(&python, &cluster);
    let program = launch.serve();
    let left = vec!["the server allows 1 connections".to_owned()];
    assert_eq!(tuned(&program), (only_templates(), left));
    warned(&program, "would keep 2 connections");
    program.stop();
}

#[test]
fn the_portfolio_is_tuned_on_postgres_and_on_sqlite() {
    need!(python());
    need!(Postgres::available());
    let project = Project::copy_of("examples/portfolio");
    let program = up(&project).serve();
    assert_eq!(tuned(&program), (both(), vec![]));
    program.get("/").expect(200);
    program.stop();
    project.write("hotclub.toml", "[database]\nengine = \"sqlite\"\n");
    let program = up(&project).serve();
    let (done, left) = tuned(&program);
    assert_eq!(done, only_templates());
    assert!(left[0].contains("SQLite"), "{left:?}");
    program.get("/").expect(200);
    program.stop();
}

#[test]
fn while_debug_is_on_nothing_is_tuned() {
    let python = need!(python());
    let project = Project::startproject(&python, "mysite", &[]);
    project
        .append("mysite/settings.py", SQLITE_SETTINGS)
        .append("mysite/settings.py", "DEBUG = True\n");
    let program = up(&project).serve();
    let left = vec!["DEBUG is on".to_owned()];
    assert_eq!(tuned(&program), (BTreeSet::new(), left));
    program.stop();
}

#[test]
fn a_tuning_that_keeps_the_site_from_coming_up_is_taken_back() {
    let python = need!(python());
    let project = Project::startproject(&python, "mysite", &[]);
    project
        .append("mysite/settings.py", SQLITE_SETTINGS)
        .write("mysite/urls.py", REFUSES_CACHE);
    let program = up(&project).serve();
    let loader = program.get("/").expect(200).text().to_owned();
    assert_eq!(loader, "django.template.loaders.app_directories");
    warned(&program, "taken back");
    assert!(program.events("tuned").is_empty());
    program.stop();
}

/// Says what `[app.tune]` and `compress` have made of its settings, and counts in a cache.
const TELLS: &str = r#"
import gc
from django.conf import settings
from django.core.cache import cache
from django.http import JsonResponse
from django.urls import path

def facts(request):
    cache.add("visits", 0, None)
    return JsonResponse({
        "threshold": gc.get_threshold()[0],
        "middleware": list(settings.MIDDLEWARE),
        "visits": cache.incr("visits"),
    })

urlpatterns = [path("", facts)]
"#;

#[test]
fn what_the_front_does_is_left_out_and_a_cache_is_shared_where_that_is_asked_for() {
    let python = need!(python());
    let project = Project::startproject(&python, "mysite", &[]);
    project
        .append(
            "mysite/settings.py",
            "DEBUG = False\nALLOWED_HOSTS = [\"*\"]\n\
             MIDDLEWARE = [\"django.middleware.gzip.GZipMiddleware\", *MIDDLEWARE]\n\
             CACHES = {\"default\": {\"BACKEND\": \"django.core.cache.backends.locmem.LocMemCache\"}}\n",
        )
        .write("mysite/urls.py", TELLS)
        .write("hotclub.toml", "[app]\nworkers = 2\n");
    let facts = |program: &Program| program.get("/").expect(200).json();
    let has_gzip = |facts: &Value| facts["middleware"].to_string().contains("GZip");
    let program = up(&project).serve();
    let (_, left) = tuned(&program);
    for reason in ["compress = \"always\"", "shared_cache = true"] {
        assert!(left.iter().any(|left| left.contains(reason)), "{left:?}");
    }
    let told = facts(&program);
    assert!(told["threshold"] == 10_000 && has_gzip(&told), "{told}");
    program.stop();

    project.write(
        "hotclub.toml",
        "compress = \"always\"\n[app]\nworkers = 2\n[app.tune]\nshared_cache = true\ngc = false\n",
    );
    let program = up(&project).serve();
    let (done, left) = tuned(&program);
    assert_eq!(
        done,
        ["idle_gzip", "shared_cache"].map(str::to_owned).into(),
        "{left:?}"
    );
    let all: Vec<Value> = (0..20).map(|_| facts(&program)).collect();
    // The start's own request was one, too.
    let visits = |at: usize| all[at]["visits"].as_u64().unwrap();
    assert_eq!(visits(19), visits(0) + 19, "{all:?}");
    assert!(
        all[0]["threshold"] != 10_000 && !has_gzip(&all[0]),
        "{}",
        all[0]
    );
    program.stop();
}
