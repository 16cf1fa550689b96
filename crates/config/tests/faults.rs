//! What a person sees when `hotclub.toml` is wrong: whole reports, word for word.

#![allow(clippy::expect_used)] // a test's own function may, as the test may

use std::path::Path;

use hotclub_config::{Faults, parse};

fn faults(text: &str) -> Faults {
    parse(text, Path::new("hotclub.toml")).expect_err("this text has faults")
}

/// The report of a text must be `expected`, apart from indentation by eight and blanks at line ends.
#[track_caller]
fn says(text: &str, expected: &str) {
    let report = faults(text).to_string();
    let plain = |text: &str| {
        text.trim()
            .lines()
            .map(str::trim_end)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let expected: Vec<&str> = expected
        .lines()
        .map(|line| line.strip_prefix("        ").unwrap_or(line))
        .collect();
    assert_eq!(plain(&report), plain(&expected.join("\n")), "\n{report}");
}

/// Only the first lines of each fault, for the long table.
fn titles(text: &str) -> Vec<String> {
    faults(text)
        .iter()
        .map(|fault| fault.message.clone())
        .collect()
}

#[test]
fn a_wrong_type_says_what_was_expected_and_shows_it() {
    says(
        "[app]\ntimeout = 30\n",
        r#"
        error: `app.timeout` must be a duration
         --> hotclub.toml:2:11
          |
        2 | timeout = 30
          |           ^^ this is an integer
          |
          = hint: write timeout = "30s"
        "#,
    );
}

#[test]
fn an_unknown_key_names_the_one_that_was_meant() {
    says(
        "[app]\nwokers = 3\n",
        r#"
        error: there is no key `wokers` in `app`
         --> hotclub.toml:2:1
          |
        2 | wokers = 3
          | ^^^^^^
          |
          = hint: did you mean `workers`?
        "#,
    );
}

#[test]
fn a_tuning_that_is_neither_a_switch_nor_known_says_what_would_be() {
    assert_eq!(
        titles("[app]\ntune = \"off\"\n"),
        ["`app.tune` must be true or false"]
    );
    assert_eq!(
        titles("[app.tune]\ncache_templates = true\n"),
        ["there is no key `cache_templates` in `app.tune`"]
    );
}

#[test]
fn a_key_in_the_wrong_section_is_told_its_own() {
    says(
        "workers = 3\n[app]\nhosts = [\"a.example\"]\n",
        r#"
        error: there is no key `workers` at the top level
         --> hotclub.toml:1:1
          |
        1 | workers = 3
          | ^^^^^^^
          |
          = hint: `workers` belongs in [app]

        error: there is no key `hosts` in `app`
         --> hotclub.toml:3:1
          |
        3 | hosts = ["a.example"]
          | ^^^^^
          |
          = hint: `hosts` belongs at the top, before the first [section]
        "#,
    );
}

#[test]
fn an_upstream_that_is_the_site_itself_is_refused() {
    let text = |to: &str, listen: &str| {
        format!("[[proxy]]\nurl = \"/a/\"\nto = \"{to}\"\n[server]\nlisten = [\"{listen}\"]\n")
    };
    for (to, listen, is_own) in [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", true),
        ("http://localhost:8000", "127.0.0.1:8000", true),
        ("http://127.0.0.1:8000", "0.0.0.0:8000", true),
        ("http://[::1]:8000", "[::]:8000", true),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", false),
        ("http://127.0.0.2:8000", "127.0.0.1:8000", false),
        ("http://backend:8000", "0.0.0.0:8000", false),
        ("unix:run/a.sock", "unix:run/a.sock", true),
        ("unix:run/a.sock", "unix:run/b.sock", false),
    ] {
        let read = hotclub_config::parse(&text(to, listen), Path::new("hotclub.toml"));
        let report = read.err().map(|faults| faults.to_string());
        let says =
            report.is_some_and(|report| report.contains("is where this site itself listens"));
        assert_eq!(says, is_own, "{to} {listen}");
    }
}

#[test]
fn a_proxy_of_the_whole_site_leaves_nothing_for_an_app() {
    let report =
        faults("[app]\nworkers = 2\n[[proxy]]\nurl = \"/\"\nto = \"http://a\"\n").to_string();
    assert!(
        report.contains("`[[proxy]]` at `/` leaves no path for `[app]`"),
        "{report}"
    );
}

#[test]
fn an_upstream_with_a_path_says_what_happens_to_the_path() {
    says(
        "[[proxy]]\nurl = \"/a/\"\nto = \"http://127.0.0.1:1/base/\"\n",
        r#"
        error: `proxy.to` must be an http://, https:// or unix: address
         --> hotclub.toml:3:6
          |
        3 | to = "http://127.0.0.1:1/base/"
          |      ^^^^^^^^^^^^^^^^^^^^^^^^^^ a path cannot stand here: the URL is passed on as it came
          |
          = hint: write to = "http://127.0.0.1:1"
          = hint: strip_prefix = true takes `url` off the path
        "#,
    );
}

#[test]
fn two_equal_mounts_show_both_places() {
    says(
        "[[files]]\nurl = \"/m/\"\npath = \"a\"\n[[proxy]]\nurl = \"/m/\"\nto = \"http://127.0.0.1:1\"\n",
        r#"
        error: `/m/` is mounted twice
         --> hotclub.toml:5:7
          |
        2 | url = "/m/"
          |       ----- the other is here
        ...
        5 | url = "/m/"
          |       ^^^^^
          |
          = hint: give one of them another url, or remove it
        "#,
    );
}

#[test]
fn a_mount_without_its_slash_is_written_out() {
    says(
        "[[files]]\nurl = \"/static\"\npath = \"a\"\n",
        r#"
        error: `files.url` must be a path that begins and ends with `/`
         --> hotclub.toml:2:7
          |
        2 | url = "/static"
          |       ^^^^^^^^^ it does not end with `/`
          |
          = hint: write url = "/static/"
        "#,
    );
}

#[test]
fn an_entry_that_lacks_a_key_is_pointed_at() {
    says(
        "[[files]]\nurl = \"/a/\"\n",
        r#"
        error: `files.path` is missing
         --> hotclub.toml:1:1
          |
        1 | [[files]]
          | ^^^^^^^^^
          |
          = hint: add path = "media"
        "#,
    );
}

#[test]
fn a_text_where_a_list_is_wanted_is_put_in_brackets() {
    says(
        "hosts = \"a.example\"\n",
        r#"
        error: `hosts` must be a list
         --> hotclub.toml:1:9
          |
        1 | hosts = "a.example"
          |         ^^^^^^^^^^^ this is a text
          |
          = hint: write hosts = ["a.example"]
        "#,
    );
}

#[test]
fn broken_toml_is_reported_with_its_place() {
    says(
        "[database\nengine = \"sqlite\"\n",
        r#"
        error: this is not valid TOML: unclosed table, expected `]`
         --> hotclub.toml:1:10
          |
        1 | [database
          |          ^
        "#,
    );
}

#[test]
fn every_kind_of_fault_is_found_in_one_pass() {
    let text = r#"
name = "My Site"
hosts = ["https://a.example", "b.example:80", 3]
[app]
wsgi = "a/b.py"
python = "2.7"
threads = 0
workers = 5000
max_memory = "12 parsecs"
preload = "yes"
queue_timeout = "0s"
[env]
files = [1]
set = { A = 1, "b c" = "x" }
[database]
engine = "postgers"
version = 160
[[process]]
name = "A B"
[release]
command = "migrate"
[runtime]
kind = "dokcer"
[limits]
max_header = "1GB"
[log]
format = "jsn"
[server]
listen = ["example.com:80"]
metrics = "0.0.0.0:9113"
trusted_proxies = ["*", "10.0.0.0/33"]
"#;
    let expected = [
        "`name` must be a name of small letters, digits, `-` and `_`, at most 63",
        "every entry of `hosts` must be a host name",
        "every entry of `hosts` must be a host name",
        "every entry of `hosts` must be a text",
        "`app.wsgi` must be a module and its app",
        "`app.python` must be Python 3.9 or later",
        "`app.threads` must be a whole number from 1 to 64",
        "`app.workers` must be a whole number from 1 to 1024",
        "`app.max_memory` must be a size",
        "`app.preload` must be true or false",
        "`app.queue_timeout` must be a duration longer than zero",
        "every entry of `env.files` must be a text",
        "`env.set.A` must be a text",
        "`env.set` must be named by letters, digits and `_`",
        "`database.engine` must be \"postgres\", \"sqlite\" or a database URL",
        "`database.version` must be a whole number from 12 to 99",
        "`process.command` is missing",
        "`process.name` must be a name of small letters, digits, `-` and `_`, at most 63",
        "`release.command` must be a list",
        "`runtime.kind` must be \"host\" or \"docker\"",
        "`limits.max_header` must be a size from 1KiB to 1MiB",
        "`log.format` must be \"combined\" or \"json\"",
        "every entry of `server.listen` must be an address to listen on",
        "`server.metrics` must be a loopback address or a Unix socket",
        "every entry of `server.trusted_proxies` must be an address or a network",
        "every entry of `server.trusted_proxies` must be an address or a network",
    ];
    assert_eq!(titles(text), expected);
}

#[test]
fn proxy_headers_of_nobody_are_a_fault() {
    says(
        "[server]\nproxy_protocol = true\n",
        r#"
        error: `server.proxy_protocol` without a trusted proxy would serve nobody
         --> hotclub.toml:2:18
          |
        2 | proxy_protocol = true
          |                  ^^^^
          |
          = hint: name the proxy: trusted_proxies = ["10.0.0.5"]
        "#,
    );
}

#[test]
fn a_fault_knows_its_file_line_and_column() {
    let faults = faults("# é\n  é = 1\n");
    let place = faults.iter().next().and_then(|fault| fault.place());
    assert!(
        place.is_some_and(|(path, line, _)| path == Path::new("hotclub.toml") && line == 2),
        "{faults}"
    );
}

#[test]
fn no_report_shows_a_secret() {
    for text in [
        "[env]\nset = { KEY = \"hunter2\", b c = 3 }\n",
        "[env.set]\nKEY = \"hunter2\nX = 1\n",
        "env.set.KEY = [\"hunter2\"]\n",
        "[env]\nset = { KEY = [\"hunter2\"] }\n",
        "[database]\nengine = \"Postgres://me:hunter2@db.example/x\"\nwait = 3\n",
        "[[proxy]]\nurl = \"/a/\"\nto = \"ftp://me:hunter2@x\"\n",
        "[[proxy]]\nurl = \"/a/\"\nto = \"http://me:hunter2@x/y\"\n",
    ] {
        let report = faults(text).to_string();
        assert!(!report.contains("hunter2"), "{report}");
    }
}

/// Each text has exactly this fault.
#[track_caller]
fn all_say(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let report = faults(text).to_string();
        assert!(report.contains(expected), "{text}\n{report}");
        assert_eq!(report.matches("error: ").count(), 1, "{text}\n{report}");
    }
}

#[test]
fn certificates_have_one_source_and_authorities_are_named_once() {
    all_say(&[
        (
            "[https]\ncertificate = 'a.pem'\n",
            "`https.certificate` needs `https.key`",
        ),
        (
            "[https]\nkey = 'a.key'\n",
            "`https.key` needs `https.certificate`",
        ),
        (
            "[https]\nlocal = true\ncertificate = 'a.pem'\nkey = 'a.key'\n",
            "`https.local` makes certificates, and `https.certificate` names one",
        ),
        (
            "[https.acme]\nstaging = true\ndirectory = 'https://acme.example/dir'\n",
            "the certificate authority is named twice",
        ),
        (
            "[https.acme]\ndirectory = 'http://acme.example/dir'\n",
            "the https:// URL of an ACME directory",
        ),
        ("[https.acme]\ndirectories = []\n", "names no authority"),
        (
            "[https.acme]\neab_key_id = 'kid-1'\n",
            "needs the account's key",
        ),
        (
            "[https.acme]\neab_hmac_env = 'HMAC'\n",
            "needs `https.acme.eab_key_id`",
        ),
        (
            "[https.acme]\nemail = 'mailto:a@b.example'\n",
            "an e-mail address",
        ),
        (
            "[https.acme]\nchallenge = 'dns-01'\n",
            "`https.acme.challenge` must be",
        ),
    ]);
}

#[test]
fn keys_about_an_upstreams_certificate_need_an_upstream_that_has_one() {
    let proxy = |to: &str, more: &str| format!("[[proxy]]\nurl = '/a/'\nto = '{to}'\n{more}\n");
    let plain = "http://127.0.0.1:1";
    all_say(&[
        (
            &proxy(plain, "ca = 'ca.pem'"),
            "no address of `to` is https://",
        ),
        (
            &proxy(plain, "tls_name = 'a.test'"),
            "no address of `to` is https://",
        ),
        (
            &proxy("https://127.0.0.1:1", "tls_name = 'a.test:443'"),
            "a host name without a port",
        ),
        (
            &proxy("https://127.0.0.1:1", "tls_name = 'https://a'"),
            "a host name without a port",
        ),
    ]);
}

#[test]
fn keys_about_containers_need_containers_and_contradict_none() {
    let docker = "[runtime]\nkind = 'docker'\n";
    let with = |more: &str| format!("{docker}{more}\n");
    all_say(&[
        (
            &with("image = 'a:1'\nca_bundle = 'ca.pem'"),
            "is a finished image",
        ),
        (
            &with("base = 'python:3.12-slim'\ndockerfile = 'x'"),
            "about the Dockerfile that Hotclub writes",
        ),
        ("[database]\nvolume = 'data'\n", "about a container"),
        (
            &with("[database]\nengine = 'sqlite'\nimage = 'postgres:16'"),
            "this site uses another database",
        ),
        (
            &with("[database]\nimage = 'postgres:16'\nversion = 16"),
            "says which PostgreSQL it is",
        ),
        (
            &with("[database]\nvolume = './data'"),
            "`database.volume` must be the name of a volume",
        ),
    ]);
}
