//! Whole inputs: the guide's stack, larger ones, and what must hold for any text.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hotclub_import::{Fate, Input, Item, Options, Outcome, import};
use proptest::prelude::*;

type Files = BTreeMap<PathBuf, String>;

const COMPOSE: &str = r#"version: "3.9"
services:
  db:
    image: postgres:14-alpine
    volumes:
      - postgres_data:/var/lib/postgresql/data/
    env_file:
      - ./.env.prod.db
  web:
    build:
      context: ./src
      dockerfile: Dockerfile.prod
    command: gunicorn portfolio.wsgi:application --bind 0.0.0.0:8000
    volumes:
      - .:/code:cached
      - ./src/staticfiles:/usr/src/app/staticfiles
      - ./src/mediafiles:/usr/src/app/mediafiles
    ports:
      - "8005:8000"
    env_file:
      - ./.env.prod
    depends_on:
      - db
volumes:
  postgres_data:
"#;

const NGINX: &str = r#"server {
    listen 80;
    listen [::]:80;
    server_name <host_name>;
    location / {
        proxy_pass http://localhost:8005;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_redirect off;
    }
    location /static/ { alias <path_to_project_dir>/src/staticfiles; }
    location /media/  { alias <path_to_project_dir>/src/mediafiles; }
}
"#;

const DOCKERFILE: &str = r#"FROM python:3.11-alpine
WORKDIR /usr/src/app
ENV PYTHONUNBUFFERED 1
RUN apk add --no-cache postgresql-dev gcc musl-dev
RUN pip install poetry
COPY pyproject.toml poetry.lock ./
RUN poetry config virtualenvs.create false && poetry install --no-interaction
COPY entrypoint.prod.sh .
RUN chmod +x entrypoint.prod.sh
COPY . .
ENTRYPOINT ["/usr/src/app/entrypoint.prod.sh"]
"#;

const ENTRYPOINT: &str = r#"#!/bin/sh
if [ "$DATABASE" = "postgres" ]
then
    echo "Waiting for postgres..."
    while ! nc -z $DB_HOST $DB_PORT; do
      sleep 0.1
    done
fi
exec "$@"
"#;

fn guide() -> Files {
    let files = [
        ("/srv/site/src/manage.py", ""),
        ("/srv/site/src/Dockerfile.prod", DOCKERFILE),
        ("/srv/site/src/entrypoint.prod.sh", ENTRYPOINT),
        (
            "/srv/site/.env.prod",
            "SECRET_KEY=do-not-tell\nDEBUG=0\nDB_NAME=site\nDB_USER=me\nDB_PASSWORD=do-not-tell\nDB_HOST=db\nDB_PORT=5432\nDATABASE=postgres\nCSRF_TRUSTED_ORIGINS=*\n",
        ),
        (
            "/srv/site/.env.prod.db",
            "POSTGRES_USER=me\nPOSTGRES_PASSWORD=do-not-tell\nPOSTGRES_DB=site\n",
        ),
    ];
    files
        .map(|(path, text)| (PathBuf::from(path), text.to_owned()))
        .into()
}

fn names_a_database(name: &str) -> bool {
    [
        "DB_NAME",
        "DB_USER",
        "DB_PASSWORD",
        "DB_HOST",
        "DB_PORT",
        "DATABASE_URL",
    ]
    .contains(&name)
}

fn input(name: &str, text: &str) -> Input {
    Input {
        path: Path::new("/srv/site").join(name),
        shown: name.to_owned(),
        text: text.to_owned(),
    }
}

fn read_with(inputs: &[Input], files: &Files, hosts: &[&str]) -> Result<Outcome, String> {
    let options = Options {
        dir: Path::new("/srv/site"),
        shelf: files,
        vars: BTreeMap::new(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        command: None,
        names_a_database,
    };
    import(inputs, &options).map_err(|error| format!("{error}\nhint: {}", error.hint()))
}

fn read(inputs: &[(&str, &str)]) -> Outcome {
    let inputs: Vec<Input> = inputs
        .iter()
        .map(|(name, text)| input(name, text))
        .collect();
    read_with(&inputs, &guide(), &[]).unwrap()
}

fn site(outcome: &Outcome) -> hotclub_config::Site {
    hotclub_config::parse(&outcome.toml, Path::new("/srv/site/hotclub.toml"))
        .unwrap_or_else(|faults| panic!("{faults}\n{}", outcome.toml))
}

fn told<'o>(outcome: &'o Outcome, what: &str) -> Vec<&'o Item> {
    outcome
        .items
        .iter()
        .filter(|item| item.what == what)
        .collect()
}

fn fate(outcome: &Outcome, what: &str) -> Fate {
    let items = told(outcome, what);
    items
        .first()
        .unwrap_or_else(|| panic!("{what} is not in the report: {:#?}", outcome.items))
        .fate
}

#[test]
fn the_guides_stack_is_taken_over_and_its_faults_are_mended() {
    let inputs = [
        input("docker-compose.yml", COMPOSE),
        input("nginx.conf", NGINX),
    ];
    let outcome = read_with(&inputs, &guide(), &["example.com"]).unwrap();
    let expected = r#"hosts = ["example.com"]

[app]
dir  = "src"
wsgi = "portfolio.wsgi:application"

[env]
files = [".env.prod"]
set   = { DB_NAME = "", DB_USER = "", DB_PASSWORD = "", DB_HOST = "", DB_PORT = "", CSRF_TRUSTED_ORIGINS = "https://example.com" }

[database]
engine = "postgres"

[[files]]
url  = "/media/"
path = "src/mediafiles"

[server]
listen = ["0.0.0.0:80", "[::]:80"]
"#;
    assert_eq!(outcome.toml, expected);
    site(&outcome);
    for (what, is) in [
        ("version", Fate::Taken),
        ("services.web.ports[0]", Fate::Mended),
        ("services.web.volumes[0]", Fate::Mended),
        ("services.web", Fate::Mended),
        ("services.db.volumes[0]", Fate::Open),
        ("services.web.depends_on", Fate::Mended),
        ("server › location /static/ › alias", Fate::Mended),
        ("server › location /media/ › alias", Fate::Mended),
        ("server › location / › proxy_pass", Fate::Taken),
        ("client_max_body_size", Fate::Mended),
    ] {
        assert_eq!(fate(&outcome, what), is, "{what}");
    }
    let says = |text: &str| outcome.items.iter().any(|item| item.said.contains(text));
    assert!(says(
        "development dependencies were installed in production"
    ));
    assert!(says("a wait for an open port, without an end"));
    assert!(says("no restart policy"));
    assert_eq!(outcome.count(Fate::Unsupported), 0, "{:#?}", outcome.items);
    assert!(
        outcome
            .steps
            .iter()
            .any(|step| step.contains("pg_dump -Fc") && step.contains("-U me site"))
    );
    assert!(
        !format!("{outcome:?}").contains("do-not-tell"),
        "secrets stay where they are"
    );
}

#[test]
fn a_placeholder_that_nobody_answers_is_asked_about() {
    let outcome = read(&[("docker-compose.yml", COMPOSE), ("nginx.conf", NGINX)]);
    let items = told(&outcome, "server › server_name");
    assert_eq!(items[0].fate, Fate::Open);
    assert!(
        items[0].hint.as_ref().unwrap().contains("--host"),
        "{items:?}"
    );
    assert!(site(&outcome).hosts.is_empty());
}

#[test]
fn without_a_web_server_the_site_is_reached_from_this_machine_alone() {
    let outcome = read(&[("compose.yaml", COMPOSE)]);
    assert!(
        outcome.toml.contains("listen = [\"127.0.0.1:8005\"]"),
        "{}",
        outcome.toml
    );
}

#[test]
fn compose_files_are_merged_filled_in_and_every_shape_is_read() {
    let base = r#"
x-env: &env
  DEBUG: "0"
  CACHE: redis://redis:6379/0
services:
  redis: { image: "redis:7" }
  web:
    build: .
    command: ["sh", "-c", "python manage.py migrate && gunicorn shop.wsgi -w ${WORKERS:-3} -t 60"]
    environment:
      <<: *env
      MEDIA_ROOT: /data/media
      PRICE: "5$$"
      TAG: ${TAG}
    volumes: ["./media:/data/media", {type: bind, source: ./logs, target: /logs}]
    ports: ["127.0.0.1:9000:8000"]
    depends_on: {redis: {condition: service_healthy}}
    healthcheck: {test: ["CMD", "curl", "-f", "http://localhost:8000/"], interval: 5s}
    restart: unless-stopped
    networks: [a]
    gpus: all
    shiny_new_key: {deep: [1, 2]}
  worker:
    build: .
    command: celery -A shop worker -l info
    environment: *env
"#;
    let over = "services:\n  web:\n    restart: always\n    environment: [DEBUG=1]\n";
    let outcome = read(&[
        ("docker-compose.yml", base),
        ("docker-compose.prod.yml", over),
    ]);
    let site = site(&outcome);
    assert_eq!(
        (site.app.workers, site.app.wsgi.as_deref()),
        (Some(3), Some("shop.wsgi"))
    );
    let var = |name: &str| {
        site.env
            .vars
            .get(name)
            .map(|var| var.value.expose().to_owned())
    };
    assert_eq!(var("PRICE").as_deref(), Some("5$"));
    assert_eq!(var("MEDIA_ROOT").as_deref(), Some("/srv/site/media"));
    assert_eq!(var("DEBUG").as_deref(), Some("1"));
    assert_eq!(site.processes[0].command, "celery -A shop worker -l info");
    assert_eq!(fate(&outcome, "services.web.restart"), Fate::Taken);
    let restarts = told(&outcome, "services.web.restart");
    assert!(
        restarts
            .iter()
            .any(|item| item.said == "replaced by docker-compose.prod.yml:3"),
        "{restarts:?}"
    );
    assert_eq!(fate(&outcome, "services.web.environment.TAG"), Fate::Open);
    assert_eq!(
        fate(&outcome, "services.web.environment.CACHE"),
        Fate::Taken
    );
    assert!(
        told(&outcome, "services.web.environment.CACHE")
            .iter()
            .any(|item| item.fate == Fate::Open)
    );
    assert_eq!(
        fate(&outcome, "services.web.shiny_new_key.deep[1]"),
        Fate::Unsupported
    );
    assert_eq!(fate(&outcome, "services.redis"), Fate::Unsupported);
}

#[test]
fn a_whole_nginx_configuration_becomes_keys() {
    let nginx = r#"
user www-data;
events { worker_connections 1024; }
http {
    include mime.types;
    limit_req_zone $binary_remote_addr zone=login:10m rate=5r/m;
    upstream app { server unix:/run/gunicorn.sock fail_timeout=0; }
    upstream grafana { least_conn; server 127.0.0.1:3000; server 127.0.0.1:3001; }
    server { listen 80; server_name example.com www.example.com; return 301 https://example.com$request_uri; }
    server {
        listen 443 ssl http2;
        server_name www.example.com;
        ssl_certificate /etc/letsencrypt/live/example.com/fullchain.pem;
        return 301 https://example.com$request_uri;
    }
    server {
        listen 443 ssl http2; listen [::]:443 ssl;
        server_name example.com;
        client_max_body_size 20M;
        keepalive_timeout 65;
        gzip on; gzip_types text/css;
        add_header X-Frame-Options DENY always;
        add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always;
        error_page 502 /502.html;
        root /srv/site/public;
        rewrite ^/blog/(.*)$ /texts/$1 permanent;
        location = /favicon.ico { access_log off; log_not_found off; }
        location = /old { return 301 /new/; }
        location /shop/ { return 302 https://shop.example$request_uri; }
        location /static/ { alias /srv/site/static; expires 30d; }
        location /papers/ { alias /srv/papers/; autoindex on; expires 7d; }
        location /protected { internal; alias /srv/protected/; }
        location /grafana/ { proxy_pass http://grafana/; proxy_read_timeout 5m; allow 10.0.0.0/8; deny all; }
        location /accounts/login/ { limit_req zone=login burst=3 nodelay; proxy_pass http://app; }
        location /upload/ { client_max_body_size 1g; proxy_pass http://app; }
        location ~ /\.(?!well-known) { deny all; }
        location ~* \.(png|css)$ { expires max; }
        location ~ ^/user/(\d+) { proxy_pass http://app; }
        location / { try_files $uri @app; }
        location @app { proxy_pass http://app; proxy_set_header X-Custom 1; if ($http_user_agent ~ bot) { return 403; } }
    }
    server { listen 80; server_name other.example; root /srv/other; }
}
"#;
    let mut files = guide();
    files.insert("/srv/site/public/502.html".into(), "x".into());
    let procfile = "web: gunicorn portfolio.wsgi --bind unix:/run/gunicorn.sock\nworker: celery -A portfolio worker\n";
    let inputs = [input("Procfile", procfile), input("nginx.conf", nginx)];
    let outcome = read_with(&inputs, &files, &[]).unwrap();
    let site = site(&outcome);
    let toml = &outcome.toml;
    assert_eq!(site.hosts, ["example.com"], "{toml}");
    assert!(site.moved.contains_key("www.example.com"), "{toml}");
    for line in [
        "listen = [\"0.0.0.0:80\", \"https://0.0.0.0:443\", \"https://[::]:443\"]",
        "max_body     = \"20MiB\"",
        "idle_timeout = \"65s\"",
        "hsts = \"31536000s\"",
        "set = { X-Frame-Options = \"DENY\" }",
        "errors = { 502 = \"public/502.html\" }",
        "from   = \"/blog/*\"",
        "to     = \"https://shop.example/shop/*\"",
        "from   = \"/old\"",
        "url     = \"/papers/\"",
        "url      = \"/protected/\"",
        "to               = [\"http://127.0.0.1:3000\", \"http://127.0.0.1:3001\"]",
        "response_timeout = \"300s\"",
        "allow = [\"10.0.0.0/8\"]",
        "limit = \"5/m\"",
        "max_body = \"1GiB\"",
        "command = \"celery -A portfolio worker\"",
    ] {
        assert!(toml.contains(line), "{line} is not in\n{toml}");
    }
    let server = "http › server › ";
    let unsupported: Vec<&str> = outcome
        .items
        .iter()
        .filter(|item| item.fate == Fate::Unsupported)
        .map(|item| item.what.as_str())
        .collect();
    for what in [
        "location ~ ^/user/(\\d+)",
        "location @app › proxy_set_header X-Custom",
        "location @app › if ($http_user_agent ~ bot)",
        "location / › try_files",
    ] {
        assert!(
            unsupported.contains(&format!("{server}{what}").as_str()),
            "{what}: {unsupported:?}"
        );
    }
    assert!(
        unsupported.contains(&"http › server"),
        "the other site: {unsupported:?}"
    );
}

#[test]
fn inputs_that_contradict_each_other_still_give_a_file_that_can_be_read() {
    let nginx = "server { server_name www.a.example; return 301 https://a.example$request_uri; }\n\
                 server { server_name a.example www.a.example; location / { proxy_pass http://127.0.0.1:8000; } }";
    let procfile = "web: gunicorn a.wsgi --certfile cert.pem --bind 127.0.0.1:8000";
    let outcome = read(&[("Procfile", procfile), ("nginx.conf", nginx)]);
    site(&outcome);
    let left_out: Vec<&str> = outcome
        .items
        .iter()
        .filter(|item| item.said.starts_with("left out"))
        .map(|item| item.what.as_str())
        .collect();
    assert_eq!(left_out.len(), 2, "{left_out:?}\n{}", outcome.toml);
}

#[test]
fn a_static_site_behind_nginx_needs_no_app() {
    let nginx = "server { listen 80; server_name a.example; root /srv/pages; location / { try_files $uri /index.html; } }";
    let outcome = read_with(&[input("site.conf", nginx)], &Files::new(), &[]).unwrap();
    let pages = site(&outcome).pages.unwrap();
    assert_eq!(
        (pages.root.to_str(), pages.fallback.as_deref()),
        (Some("/srv/pages"), Some("index.html")),
        "{}",
        outcome.toml
    );
}

#[test]
fn includes_are_followed_with_globs_and_circles_end() {
    let mut files = guide();
    files.insert(
        "/srv/site/conf.d/a.conf".into(),
        "location /a/ { return 301 /b/; }".into(),
    );
    files.insert(
        "/srv/site/conf.d/b.conf".into(),
        "include conf.d/b.conf; gzip off;".into(),
    );
    let nginx = "server { server_name x.example; include conf.d/*.conf; include missing.conf; }";
    let outcome = read_with(&[input("site.conf", nginx)], &files, &[]).unwrap();
    assert!(
        outcome.toml.contains("from   = \"/a/*\"") && outcome.toml.contains("compress = \"off\""),
        "{}",
        outcome.toml
    );
    let missing = outcome
        .items
        .iter()
        .any(|item| item.said == "missing.conf was not found" && item.fate == Fate::Open);
    assert!(missing, "{:#?}", outcome.items);
    let at = told(&outcome, "server › location /a/ › return")[0]
        .place
        .clone()
        .unwrap();
    assert_eq!((at.file.as_str(), at.line), ("conf.d/a.conf", 1));
}

#[test]
fn what_cannot_be_read_says_where_and_what_to_do() {
    for (name, text, says) in [
        (
            "docker-compose.yml",
            "services:\n  web: [\n",
            "docker-compose.yml:",
        ),
        (
            "nginx.conf",
            "server {\n  listen 80\n}\n",
            "nginx.conf: line 2",
        ),
        ("notes.txt", "hello\n", "notes.txt: this is no Compose file"),
    ] {
        let error = read_with(&[input(name, text)], &guide(), &[]).unwrap_err();
        assert!(error.contains(says) && error.contains("hint:"), "{error}");
    }
}

/// Every key of a table that is meant for Compose: known ones, unknown ones, values of all kinds.
fn any_yaml() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        Just("command"),
        Just("ports"),
        Just("volumes"),
        Just("environment"),
        Just("env_file"),
        Just("build"),
        Just("image"),
        Just("depends_on"),
        Just("deploy"),
        Just("restart"),
        Just("odd_key"),
        Just("healthcheck"),
        Just("networks"),
    ];
    let value = prop_oneof![
        Just("gunicorn a.wsgi -w 2".to_owned()),
        Just("[\"80:80\", 90]".to_owned()),
        Just("{a: b, c: [d, {e: f}]}".to_owned()),
        Just("./x:/y".to_owned()),
        Just("~".to_owned()),
        "[a-z${}:/.-]{0,12}".prop_map(|text| format!("'{text}'")),
    ];
    let service = prop::collection::btree_map(key, value, 0..6);
    prop::collection::btree_map(
        prop_oneof![Just("web"), Just("db"), Just("worker"), Just("nginx")],
        service,
        1..4,
    )
    .prop_map(|services| {
        let mut text = "services:\n".to_owned();
        for (name, keys) in services {
            text.push_str(&format!("  {name}:\n    x-here: 1\n"));
            for (key, value) in keys {
                text.push_str(&format!("    {key}: {value}\n"));
            }
        }
        text
    })
}

fn any_nginx() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("80".to_owned()),
        Just("/static/".to_owned()),
        Just("http://localhost:8000".to_owned()),
        Just("off".to_owned()),
        Just("301".to_owned()),
        Just("$host".to_owned()),
        Just("~".to_owned()),
        "[a-z/_.$*^-]{1,8}",
    ];
    let name = prop_oneof![
        Just("listen"),
        Just("server_name"),
        Just("proxy_pass"),
        Just("alias"),
        Just("root"),
        Just("return"),
        Just("rewrite"),
        Just("try_files"),
        Just("add_header"),
        Just("client_max_body_size"),
        Just("gzip"),
        Just("odd_directive"),
        Just("allow"),
        Just("auth_basic"),
        Just("limit_req"),
        Just("error_page"),
        Just("ssl_certificate"),
        Just("expires"),
    ];
    let directive = (name, prop::collection::vec(word, 0..3))
        .prop_map(|(name, args)| format!("{name} {};", args.join(" ")));
    let location = (
        prop_oneof![
            Just("/"),
            Just("/static/"),
            Just("= /x"),
            Just("~ ^/y"),
            Just("@z"),
            Just("/a b/")
        ],
        prop::collection::vec(directive.clone(), 0..5),
    )
        .prop_map(|(path, inside)| format!("location {path} {{ {} }}", inside.join(" ")));
    let server = prop::collection::vec(prop_oneof![directive, location], 0..8);
    prop::collection::vec(server, 1..3).prop_map(|servers| {
        servers
            .iter()
            .map(|inside| format!("server {{ {} }}\n", inside.join("\n")))
            .collect()
    })
}

/// What stands in the report, or above it.
fn is_told(outcome: &Outcome, path: &str) -> bool {
    outcome.items.iter().any(|item| {
        path == item.what
            || path
                .strip_prefix(item.what.as_str())
                .is_some_and(|rest| rest.starts_with(['.', '[']))
            || item
                .what
                .strip_prefix(path)
                .is_some_and(|rest| rest.starts_with(['.', '[']))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_key_of_a_compose_file_is_accounted_for(text in any_yaml()) {
        let outcome = read_with(&[input("compose.yml", &text)], &guide(), &[]).unwrap();
        let mut service = String::new();
        for line in text.lines().skip(1) {
            let key = line.trim().split(':').next().unwrap();
            match line.starts_with("    ") {
                false => service = key.to_owned(),
                true => prop_assert!(is_told(&outcome, &format!("services.{service}.{key}")), "{key}\n{text}\n{:#?}", outcome.items),
            }
        }
        prop_assert!(hotclub_config::parse(&outcome.toml, Path::new("/srv/site/hotclub.toml")).is_ok(), "{}", outcome.toml);
    }

    #[test]
    fn every_directive_of_an_nginx_file_is_accounted_for(text in any_nginx()) {
        let outcome = read_with(&[input("site.conf", &text)], &guide(), &[]).unwrap();
        let judged = |what: &str| outcome.items.iter().any(|item| item.what == what || what.starts_with(&format!("{} › ", item.what)));
        for line in text.lines() {
            let name = line.trim().trim_start_matches("server {").trim().split([' ', ';']).next().unwrap_or("");
            if name.is_empty() || name == "}" || name == "location" { continue }
            let found = outcome.items.iter().any(|item| item.what.contains(name)) || judged("server");
            prop_assert!(found, "{name}\n{text}\n{:#?}", outcome.items);
        }
        prop_assert!(hotclub_config::parse(&outcome.toml, Path::new("/srv/site/hotclub.toml")).is_ok(), "{text}\n{}", outcome.toml);
    }

    #[test]
    fn no_text_is_too_much_for_any_reader(text in "[ -~\n]{0,200}") {
        for name in ["a.yml", "a.conf", "Procfile", "Dockerfile", "gunicorn.conf.py"] {
            let _ = read_with(&[input(name, &text)], &guide(), &[]);
        }
    }
}
