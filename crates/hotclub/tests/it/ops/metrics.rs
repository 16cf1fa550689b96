//! What is told to Prometheus, read by Prometheus' own parser for Python.

use std::fs;
use std::path::Path;
use std::time::Duration;

use hotclub_testkit::{Gate, Program, Python, Raw, need, python, until};
use serde_json::Value;

use crate::hotclub;
use crate::serve::{app_of, serve};

/// Answers with the status that the query names, or waits at the gate that it names.
const APP: &str = r#"
def application(environ, start_response):
    query = environ["QUERY_STRING"]
    if query.startswith("/"):
        open(query, "rb").read()
    status = query if query.isdigit() else "200"
    start_response(status + " Told", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]
"#;

/// Prints every sample as `[name, labels, value]`, and fails at what is no exposition.
const PARSER: &str = r#"
import json, sys
from prometheus_client.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(open(sys.argv[1]).read()))
assert len({family.name for family in families}) == len(families), "a family came twice"
for family in families:
    assert family.documentation and family.type != "unknown", family
print(json.dumps([[s.name, s.labels, s.value] for family in families for s in family.samples]))
"#;

/// Where they are told, by the line that says where it serves.
fn address(program: &Program) -> String {
    let line = program.says("metrics http://");
    let (_, url) = line.split_once("metrics http://").unwrap();
    url.split("/metrics").next().unwrap().to_owned()
}

fn scrape(address: &str) -> String {
    let mut connection = Raw::connect(address).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = connection.ask(request).unwrap().expect(200);
    let media_type = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(media_type));
    answer.text().to_owned()
}

/// What was told at one moment.
struct Told(Vec<Value>);

impl Told {
    fn by(address: &str, python: &Python, folder: &Path) -> Self {
        let file = folder.join("scraped");
        fs::write(&file, scrape(address)).unwrap();
        let output = python.run(folder, &["-c", PARSER, file.to_str().unwrap()]);
        Self(serde_json::from_slice(&output.stdout).unwrap())
    }

    /// The value of the sample with these labels, and no others.
    #[track_caller]
    fn value(&self, name: &str, labels: &Value) -> f64 {
        let is_it = |sample: &&Value| sample[0] == name && sample[1] == *labels;
        let found: Vec<_> = self.0.iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "{name} {labels} in {:#?}", self.named(name));
        found[0][2].as_f64().unwrap()
    }

    fn named(&self, name: &str) -> Vec<&Value> {
        self.0.iter().filter(|sample| sample[0] == name).collect()
    }
}

fn of_app(more: (&str, &str)) -> Value {
    let (name, value) = more;
    serde_json::json!({"site": "app", name: value})
}

/// Lets through those who have come to the gate, and waits for nobody.
fn open_for_whoever_is_there(gate: &Gate) {
    use rustix::fs::{Mode, OFlags, open};
    // Fails while there is nobody.
    let _ = open(
        gate.path(),
        OFlags::WRONLY | OFlags::NONBLOCK,
        Mode::empty(),
    );
}

#[test]
fn what_happens_to_requests_and_workers_is_told() {
    let python = need!(python());
    let project = app_of(APP);
    let program = serve("app", project.dir(), 2)
        .args(["--metrics", "127.0.0.1:0"])
        .allow("SIGKILL")
        .serve();
    let address = address(&program);
    let told = || Told::by(&address, &python, project.dir());
    let site = serde_json::json!({"site": "app"});

    for status in ["200", "200", "404", "999"] {
        program.get(&format!("/?{status}"));
    }
    let mut malformed = program.connect();
    malformed
        .ask("GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
        .unwrap()
        .expect(400);
    let mut kept = program.connect();
    kept.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap()
        .expect(200);
    let silent = program.connect();
    let now = until("the connections to be counted", || {
        let told = told();
        let open = |state| told.value("hotclub_connections", &serde_json::json!({"state": state}));
        ((open("fresh"), open("idle"), open("busy")) == (1.0, 1.0, 0.0)).then_some(told)
    });
    let answered = |code| now.value("hotclub_requests_total", &of_app(("code", code)));
    assert_eq!(
        (answered("200"), answered("404"), answered("999")),
        (3.0, 1.0, 1.0)
    );
    let siteless = serde_json::json!({"site": "", "code": "400"});
    assert_eq!(now.value("hotclub_requests_total", &siteless), 1.0);
    for name in ["hotclub_app_seconds", "hotclub_queue_seconds"] {
        assert_eq!(now.value(&format!("{name}_count"), &site), 5.0, "{name}");
        let sum = now.value(&format!("{name}_sum"), &site);
        assert!(sum > 0.0 && sum < 60.0, "{name}: {sum}");
        let all = now.value(&format!("{name}_bucket"), &of_app(("le", "+Inf")));
        assert_eq!(all, 5.0, "{name}");
    }
    let workers = |told: &Told, state| told.value("hotclub_workers", &of_app(("state", state)));
    assert_eq!((workers(&now, "busy"), workers(&now, "idle")), (0.0, 2.0));
    let resident = now.named("hotclub_worker_resident_bytes");
    assert_eq!(resident.len(), 2);
    assert!(
        resident
            .iter()
            .all(|sample| sample[2].as_f64().unwrap() > 1e6)
    );

    let gate = Gate::new();
    let ask = format!(
        "GET /?{} HTTP/1.1\r\nHost: a\r\n\r\n",
        gate.path().display()
    );
    let mut asking: Vec<_> = (0..3).map(|_| program.connect()).collect();
    asking
        .iter_mut()
        .for_each(|connection| connection.send(&ask).unwrap());
    until("both workers to be busy and one request to wait", || {
        let told = told();
        let queued = told.value("hotclub_queue_requests", &site);
        (workers(&told, "busy") == 2.0 && queued == 1.0).then_some(())
    });
    let victim = rustix::process::Pid::from_raw(program.workers()[0].pid.cast_signed()).unwrap();
    rustix::process::kill_process(victim, rustix::process::Signal::KILL).unwrap();
    until("the restart and the second run to be counted", || {
        let told = told();
        let reason =
            |reason| told.value("hotclub_worker_restarts_total", &of_app(("reason", reason)));
        let again = told.value("hotclub_requests_run_again_total", &site);
        ((reason("signal"), reason("deadline"), again) == (1.0, 0.0, 1.0)).then_some(())
    });
    for connection in &mut asking {
        until("an answer", || {
            open_for_whoever_is_there(&gate);
            connection
                .answers_within(Duration::from_millis(20))
                .then_some(())
        });
        connection.read("GET").unwrap().expect(200);
    }
    drop((kept, silent, asking, malformed));
    program.stop();
}

#[test]
fn visitors_cannot_read_metrics_and_who_can_can_do_nothing_else() {
    let project = app_of(APP);
    let program = serve("app", project.dir(), 1)
        .args(["--metrics", "127.0.0.1:0"])
        .serve();
    assert_eq!(
        program.get("/metrics").expect(200).text(),
        "/metrics",
        "the app's own"
    );
    let address = address(&program);
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (
            "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
            405,
        ),
        (
            "GET /metrics HTTP/1.1\r\nHost: attacker.example\r\n\r\n",
            421,
        ),
        ("nonsense\r\n\r\n", 400),
    ] {
        let mut connection = Raw::connect(&address).unwrap();
        connection.ask(request).unwrap().expect(status);
    }
    // Who does not finish a request keeps nobody else from asking.
    let slow: Vec<_> = (0..4).map(|_| Raw::connect(&address).unwrap()).collect();
    assert!(scrape(&address).contains("hotclub_build_info"));
    drop(slow);
    program.stop();
}

#[test]
fn metrics_are_told_on_a_unix_socket_that_goes_with_the_program() {
    let project = app_of(APP);
    let socket = project.path("metrics.sock");
    let address = format!("unix:{}", socket.display());
    let program = serve("app", project.dir(), 1)
        .args(["--metrics", &address])
        .serve();
    assert!(scrape(&address).contains("hotclub_workers{site=\"app\",state=\"idle\"} 1"));
    program.stop();
    assert!(!socket.exists());
}

#[test]
fn an_address_that_others_reach_is_refused_for_metrics() {
    let ended = hotclub()
        .args(["serve", "app", "--metrics", "0.0.0.0:9113"])
        .end_within(Duration::from_secs(20));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    ended.says("can be reached from other machines");
}
