//! What a right file becomes, what an absent one becomes, and that no text at all brings the reader down.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use hotclub_config::{
    AccessLog, Balance, CertificateSource, Compress, Engine, Listen, LogFormat, Mount, Origin,
    Proxy, Python, RuntimeKind, Secret, defaults, load, parse, unsupported,
};
use proptest::prelude::*;

const WHOLE: &str = r#"
name  = "portfolio"
hosts = ["Example.com", "www.example.com"]

[app]
dir          = "src"
wsgi         = "portfolio.wsgi:application"
settings     = "portfolio.settings"
python       = "3.11"
dependencies = "poetry.lock"
workers      = 4
threads      = 2
preload      = false
timeout      = "0s"
graceful_timeout = "1m"
queue_timeout = "500ms"
max_queue    = 7
max_requests = 1_000
max_requests_jitter = 50
max_memory   = "512MB"
max_lifetime = "1h"
reload       = true
retry        = false

[app.tune]
cached_templates = false

[env]
files = []
set   = { DJANGO_LOG_LEVEL = "INFO" }

[database]
engine  = "postgres"
version = 16
wait    = "2m"

[database.backup]
keep    = 7
daily   = false
media   = false
before_migrations = false
command = "mail admin"
url     = "https://hooks.example.com/a"

[[files]]
url  = "/media/"
path = "src/mediafiles"
max_age = "7d"
[[files]]
url  = "/media/private/"
path = "/srv/private"
internal = true

[[proxy]]
url = "/grafana/"
to  = "http://127.0.0.1:3000"

[[process]]
name    = "celery"
command = "celery -A portfolio worker"

[release]
command = ["python manage.py migrate --noinput"]

[runtime]
kind = "docker"

[limits]
max_body = "1GiB"
min_rate = "0B"
max_connections_per_address = 0
max_streams = 250
max_buffered = "1MiB"
max_buffered_per_connection = "16KiB"
max_spooled = "2GB"

[log]
access = "logs/access.log"
format = "json"

[server]
listen = ["[::]:80", "unix:run/web.sock"]
metrics = "unix:run/metrics.sock"
h2c = true
proxy_protocol = true
trusted_proxies = ["127.0.0.1", "10.1.2.3/8"]
"#;

#[test]
fn every_key_of_the_design_reaches_the_model() {
    let site = parse(WHOLE, Path::new("/srv/x/hotclub.toml")).unwrap();
    assert_eq!(site.name, "portfolio");
    assert_eq!(site.hosts, ["example.com", "www.example.com"]);
    assert_eq!(site.app.dir, Some(PathBuf::from("/srv/x/src")));
    assert_eq!(site.app.python, Some(Python::Version("3.11".into())));
    assert_eq!(
        site.app.dependencies,
        Some(PathBuf::from("/srv/x/poetry.lock"))
    );
    assert_eq!(
        (site.app.workers, site.app.threads, site.app.max_queue),
        (Some(4), 2, 7)
    );
    assert_eq!(
        (site.app.preload, site.app.reload, site.app.retry),
        (false, true, false)
    );
    assert_eq!(
        (
            site.app.tune.persistent_connections,
            site.app.tune.cached_templates
        ),
        (true, false)
    );
    assert_eq!(site.app.timeout, None);
    assert_eq!(site.app.graceful_timeout, Duration::from_secs(60));
    assert_eq!(site.app.queue_timeout, Duration::from_millis(500));
    assert_eq!(
        (site.app.max_requests, site.app.max_requests_jitter),
        (1_000, 50)
    );
    assert_eq!(site.app.max_memory, Some(512_000_000));
    assert_eq!(site.app.max_lifetime, Some(Duration::from_secs(3600)));
    let variable = &site.env.vars["DJANGO_LOG_LEVEL"];
    assert_eq!(
        (variable.value.expose(), &variable.origin),
        ("INFO", &Origin::Set)
    );
    assert_eq!(site.database.engine, Engine::Postgres);
    assert_eq!(
        (site.database.version, site.database.wait),
        (Some(16), Duration::from_secs(120))
    );
    let backup = &site.database.backup;
    assert_eq!((backup.keep, backup.daily), (7, false));
    assert_eq!((backup.media, backup.before_migrations), (false, false));
    assert_eq!(backup.command.as_deref(), Some("mail admin"));
    let url = backup.url.as_ref().map(Secret::expose);
    assert_eq!(url, Some("https://hooks.example.com/a"));
    assert_eq!(site.files[0].path, Path::new("/srv/x/src/mediafiles"));
    assert_eq!(site.files[0].max_age, Some(Duration::from_secs(7 * 86_400)));
    assert_eq!(
        (site.files[1].url.as_str(), site.files[1].internal),
        ("/media/private/", true)
    );
    assert_eq!(site.files[1].path, Path::new("/srv/private"));
    assert_eq!(site.proxies[0].to[0].to_string(), "http://127.0.0.1:3000");
    assert_eq!(site.processes[0].name, "celery");
    assert_eq!(
        site.release.command.as_deref(),
        Some(&["python manage.py migrate --noinput".to_owned()][..])
    );
    assert_eq!(site.runtime.kind, RuntimeKind::Docker);
    assert_eq!((site.limits.max_body, site.limits.min_rate), (1 << 30, 0));
    assert_eq!(site.limits.max_connections_per_address, 0);
    assert_eq!(site.limits.max_streams, 250);
    assert!(site.server.h2c && site.server.proxy_protocol);
    assert_eq!(
        (
            site.limits.max_buffered,
            site.limits.max_buffered_per_connection,
            site.limits.max_spooled
        ),
        (1 << 20, 16 << 10, 2_000_000_000)
    );
    assert_eq!(
        site.log.access,
        AccessLog::File("/srv/x/logs/access.log".into())
    );
    assert_eq!(site.log.format, LogFormat::Json);
    assert_eq!(
        site.server.listen[1],
        Listen::Unix("/srv/x/run/web.sock".into())
    );
    assert_eq!(
        site.server.metrics.unwrap().listen(),
        &Listen::Unix("/srv/x/run/metrics.sock".into())
    );
    assert_eq!(site.server.trusted_proxies[1].to_string(), "10.0.0.0/8");
    assert!(site.warnings.is_empty());
}

#[test]
fn nothing_is_kept_unless_the_file_asks_for_it() {
    let cache = |text| parse(text, Path::new("hotclub.toml")).unwrap().cache;
    assert!(!cache("").enabled && !cache("[cache]\nenabled = false\n").enabled);
    let asked = cache("[cache]\n");
    assert!(asked.enabled && asked.anonymous.is_none());
    let all = cache(
        "[cache]\nanonymous = \"2s\"\nmax_memory = \"1MB\"\nmax_disk = \"0B\"\nmax_object = \"10kB\"\n\
         wait = \"1s\"\nstale_if_error = \"0s\"\n",
    );
    assert_eq!(all.anonymous, Some(Duration::from_secs(2)));
    assert_eq!(
        (all.max_memory, all.max_disk, all.max_object),
        (1_000_000, 0, 10_000)
    );
    assert!(all.stale_if_error.is_zero());
    assert!(cache("[cache]\nanonymous = \"0s\"\n").anonymous.is_none());
    assert!(
        parse(
            "[cache]\nmax_memory = \"10kB\"\n",
            Path::new("hotclub.toml")
        )
        .is_err()
    );
}

#[test]
fn one_word_turns_all_tuning_off() {
    let site = parse("[app]\ntune = false\n", Path::new("hotclub.toml")).unwrap();
    let tune = site.app.tune;
    assert!(!tune.persistent_connections && !tune.cached_templates);
    assert!(site.sets("app.tune"));
}

#[test]
fn what_is_not_built_yet_is_named_with_its_line() {
    let text = "[app]\nasgi = \"portfolio.asgi:application\"\n";
    let site = parse(text, Path::new("hotclub.toml")).unwrap();
    let named: Vec<String> = unsupported(&site)
        .iter()
        .map(|fault| fault.message.clone())
        .collect();
    assert_eq!(named, ["an ASGI app is not supported yet"]);
    assert!(
        unsupported(&site)
            .iter()
            .all(|fault| fault.place().is_some())
    );
    assert!(unsupported(&parse("", Path::new("hotclub.toml")).unwrap()).is_empty());
}

#[test]
fn an_empty_file_and_no_file_give_the_same_site() {
    let dir = tempfile::tempdir().unwrap();
    let absent = load(dir.path()).unwrap();
    assert!(!absent.sets("app.workers"));
    std::fs::write(dir.path().join("hotclub.toml"), "\u{feff}").unwrap();
    let mut empty = load(dir.path()).unwrap();
    assert_eq!(empty.file.take(), Some(dir.path().join("hotclub.toml")));
    assert_eq!(
        (empty.app, empty.limits, empty.server),
        (absent.app, absent.limits, absent.server)
    );
    assert_eq!(empty.name, absent.name);
}

#[test]
fn env_files_are_read_in_order_and_set_wins() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write(
        "hotclub.toml",
        "[env]\nfiles = [\"a.env\", \"b.env\"]\nset = { C = \"set\" }\n",
    );
    write("a.env", "A=a\r\nB=a\r\nC=a\r\n");
    write("b.env", "\n# later wins\nB=b # really\nC=b\n");
    let site = load(dir.path()).unwrap();
    let value = |name: &str| site.env.vars[name].value.expose();
    assert_eq!(
        (value("A"), value("B"), value("C")),
        ("a", "b # really", "set")
    );
    let origin = Origin::File {
        path: dir.path().join("b.env"),
        line: 3,
    };
    assert_eq!(site.env.vars["B"].origin, origin);
    assert_eq!(site.warnings.len(), 1);
    assert!(
        !format!("{site:?}").contains("really"),
        "values stay out of Debug"
    );
}

#[test]
fn a_missing_env_file_points_at_the_line_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("hotclub.toml"),
        "[env]\nfiles = [\".env.prod\"]\n",
    )
    .unwrap();
    let faults = load(dir.path()).unwrap_err();
    let fault = faults.iter().next().unwrap();
    assert!(fault.message.starts_with("there is no file"), "{faults}");
    assert!(
        fault
            .place()
            .is_some_and(|(_, line, column)| (line, column) == (2, 10)),
        "{faults}"
    );
}

#[test]
fn a_file_that_is_no_text_and_a_folder_that_is_none_are_faults() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hotclub.toml"), b"name = \"a\"\n\xff\n").unwrap();
    assert!(
        load(dir.path())
            .unwrap_err()
            .to_string()
            .contains("line 2 is not UTF-8")
    );
    assert!(load(&dir.path().join("absent")).is_err());
}

#[test]
fn a_later_stage_can_point_at_a_key() {
    let site = parse("[app]\nwsgi = \"a.b:c\"\n", Path::new("hotclub.toml")).unwrap();
    let fault = site.fault_at("app.wsgi", "this module cannot be imported");
    assert!(
        fault
            .place()
            .is_some_and(|(_, line, column)| (line, column) == (2, 8))
    );
    assert!(site.fault_at("app.settings", "x").place().is_none());
}

#[test]
fn a_version_of_a_database_that_is_not_ours_is_only_a_warning() {
    let site = parse(
        "[database]\nengine = \"sqlite\"\nversion = 16\n",
        Path::new("hotclub.toml"),
    )
    .unwrap();
    assert_eq!(site.warnings.len(), 1);
}

proptest! {
    #[test]
    fn no_text_brings_the_reader_down(text in any::<String>()) {
        let _ = parse(&text, Path::new("hotclub.toml")).map_err(|faults| faults.to_string());
    }

    /// Real lines, torn apart and put together at random.
    #[test]
    fn no_mixture_of_lines_brings_the_reader_down(
        lines in prop::collection::vec((0..WHOLE.lines().count(), 0usize..40, "[\\PC\"\\[\\]=éß€]{0,3}"), 0..30)
    ) {
        let mut text = String::new();
        for (line, cut, noise) in lines {
            let line = WHOLE.lines().nth(line).unwrap_or_default();
            let cut = line.char_indices().nth(cut).map_or(line.len(), |(at, _)| at);
            text += &format!("{}{noise}{}\n", &line[..cut], if cut % 2 == 0 { &line[cut..] } else { "" });
        }
        let _ = parse(&text, Path::new("hotclub.toml")).map_err(|faults| faults.to_string());
    }
}

fn hosts_of(text: &str) -> (Vec<String>, Vec<(String, String)>) {
    let site = hotclub_config::parse(text, Path::new("/srv/a/hotclub.toml")).unwrap();
    (site.hosts, site.moved.into_iter().collect())
}

#[test]
fn hosts_that_only_lead_to_another_are_told_from_those_served() {
    for (text, served, moved) in [
        ("hosts = ['a.example']", vec!["a.example"], vec![]),
        (
            "hosts = ['a.example']\nwww = 'redirect'",
            vec!["a.example"],
            vec![("www.a.example", "a.example")],
        ),
        (
            "hosts = ['www.a.example', '*.a.example']\nwww = 'redirect'",
            vec!["www.a.example", "*.a.example"],
            vec![("a.example", "www.a.example")],
        ),
        (
            "hosts = ['a.example', 'www.a.example', 'b.example']\ncanonical = 'A.example'",
            vec!["a.example"],
            vec![("b.example", "a.example"), ("www.a.example", "a.example")],
        ),
        (
            "hosts = ['a.example', 'b.example']\ncanonical = 'a.example'\nwww = 'redirect'",
            vec!["a.example"],
            vec![
                ("b.example", "a.example"),
                ("www.a.example", "a.example"),
                ("www.b.example", "a.example"),
            ],
        ),
    ] {
        let owned = |(from, to): &(&str, &str)| (String::from(*from), String::from(*to));
        let expected: (Vec<String>, Vec<_>) = (
            served.into_iter().map(str::to_owned).collect(),
            moved.iter().map(owned).collect(),
        );
        assert_eq!(hosts_of(text), expected, "{text}");
    }
}

#[test]
fn a_redirect_that_could_not_work_is_a_fault() {
    for (text, message) in [
        ("from = '/a'\nto = '/a'", "this redirect leads to itself"),
        (
            "from = '/a/*'\nto = '/a/b/*'",
            "this redirect leads to itself",
        ),
        ("from = '/a/'\nto = '/b/*'", "`from` is one path"),
        ("from = '/a*'\nto = '/b/'", "`redirect.from` must be a path"),
        (
            "from = '/a?b'\nto = '/b/'",
            "`redirect.from` must be a path",
        ),
        (
            "from = '/a'\nto = '//b.example/'",
            "`redirect.to` must be a path",
        ),
        (
            "from = '/a/*'\nto = 'https://b.example*'",
            "`redirect.to` must be a path",
        ),
        (
            "from = '/a'\nto = 'javascript:x'",
            "`redirect.to` must be a path",
        ),
        ("from = '/a'\nto = '/b c'", "`redirect.to` must be a path"),
        (
            "from = '/a'\nto = '/b'\nstatus = 304",
            "`redirect.status` must be 301, 302",
        ),
    ] {
        let text = format!("[[redirect]]\n{text}\n");
        let faults = hotclub_config::parse(&text, Path::new("/srv/a/hotclub.toml")).unwrap_err();
        assert!(faults.to_string().contains(message), "{text}: {faults}");
    }
}

#[test]
fn a_proxy_has_several_upstreams_times_and_a_health_check() {
    let text = r#"
[[proxy]]
url = "/api/"
to  = ["https://127.0.0.1:1", "unix:run/b.sock"]
balance = "round_robin"
strip_prefix = true
host = "api.example:8443"
buffer_requests = false
connect_timeout = "1s"
tunnel_timeout = "2h"
retries = 0
max_fails = 0
ca = "ca.pem"
tls_name = "B.test"

[proxy.health]
path = "/up"
interval = "10s"

[[proxy]]
url = "/"
to = "http://[::1]:9"
"#;
    let site = parse(text, Path::new("/srv/x/hotclub.toml")).unwrap();
    let [api, rest] = &site.proxies[..] else {
        panic!("{:?}", site.proxies);
    };
    let to: Vec<String> = api.to.iter().map(ToString::to_string).collect();
    assert_eq!(to, ["https://127.0.0.1:1", "unix:/srv/x/run/b.sock"]);
    assert_eq!(api.balance, Balance::RoundRobin);
    assert!(api.strip_prefix && !api.buffer_requests);
    assert_eq!(api.host.as_deref(), Some("api.example:8443"));
    assert_eq!(api.connect_timeout, Duration::from_secs(1));
    assert_eq!(api.response_timeout, defaults::PROXY_RESPONSE_TIMEOUT);
    assert_eq!((api.retries, api.max_fails), (0, 0));
    assert_eq!(api.ca.as_deref(), Some(Path::new("/srv/x/ca.pem")));
    assert_eq!(api.tls_name.as_deref(), Some("b.test"));
    let health = api.health.as_ref().unwrap();
    assert_eq!(
        (health.path.as_str(), health.interval.as_secs()),
        ("/up", 10)
    );
    assert_eq!(health.timeout, defaults::PROXY_HEALTH_TIMEOUT);
    let root = Mount::parse("/").unwrap();
    assert_eq!(
        *rest,
        Proxy::new(root, vec!["http://[::1]:9".parse().unwrap()])
    );
}

#[test]
fn compression_is_safe_unless_it_is_said_otherwise() {
    let read = |text| parse(text, Path::new("hotclub.toml")).unwrap().compress;
    assert_eq!(read(""), Compress::Safe);
    assert_eq!(read("compress = \"always\"\n"), Compress::Always);
    assert_eq!(read("compress = \"off\"\n"), Compress::Off);
}

#[test]
fn certificates_come_from_lets_encrypt_unless_it_is_said_otherwise() {
    let read = |text: &str| parse(text, Path::new("/srv/x/hotclub.toml")).unwrap().https;
    let default = read("");
    assert_eq!(default.certificates, CertificateSource::Acme);
    assert_eq!(default.acme.directories, [defaults::ACME_DIRECTORY]);
    let staging = read("[https.acme]\nstaging = true\n");
    assert_eq!(staging.acme.directories, [defaults::ACME_STAGING]);
    assert_eq!(read("[https.acme]\nstaging = false\n").acme, default.acme);
    let several =
        read("[https.acme]\ndirectories = ['https://a.example/d', 'https://b.example/d']\n");
    assert_eq!(
        several.acme.directories,
        ["https://a.example/d", "https://b.example/d"]
    );
    assert_eq!(
        read("[https]\nlocal = true\n").certificates,
        CertificateSource::Local
    );
    let own = read("[https]\ncertificate = 'a.pem'\nkey = 'a.key'\n");
    let expected = CertificateSource::Own {
        certificate: "/srv/x/a.pem".into(),
        key: "/srv/x/a.key".into(),
    };
    assert_eq!(own.certificates, expected);
}
