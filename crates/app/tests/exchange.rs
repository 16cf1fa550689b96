//! Real Python workers behind a real generation: what a call gets back, and what a dead worker costs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use hotclub_app::{
    Answer, BufferBounds, Buffers, Call, CallBody, CallError, Generation, Launch, Part, Place,
    Policy, Spec, StartError,
};
use hotclub_wire::{EnvironWriter, HeadFields};
use tokio::runtime::Handle;

const APP: &str = r#"
import os, signal, time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path in ("/die", "/killed"):
        with open("runs" + path.replace("/", "-"), "a") as runs:
            runs.write("x")
    if path == "/die":
        os._exit(7)
    if path == "/killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "/die-once" and not os.path.exists("died"):
        open("died", "w").close()
        os._exit(7)
    if path == "/sleep":
        time.sleep(30)
    if path == "/stream":
        start_response("200 OK", [])
        return (b"%d;" % n for n in range(3))
    if path == "/big":
        start_response("200 OK", [])
        return (b"x" * 100_000 for _ in range(100))
    body = environ["wsgi.input"].read() + b" pid %d" % os.getpid()
    start_response("200 Fine", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"#;

struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new(app: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("app.py"), app).unwrap();
        Self { folder }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn spec(&self) -> Spec {
        let worker = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python/hotclub_worker");
        Spec {
            counts: std::sync::Arc::default(),
            launch: Launch {
                contained: None,
                python: python(),
                worker,
                env: vec![("PATH".into(), std::env::var_os("PATH").unwrap_or_default())],
                run_as: None,
                files: None,
                output: None,
            },
            app: "app:application".into(),
            chdir: self.folder.path().to_owned(),
            pythonpath: vec![],
            preload: true,
            settings: std::collections::BTreeMap::default(),
            tune: hotclub_app::Tune::OFF,
            surroundings: hotclub_app::Surroundings::default(),
            import_timeout: Duration::from_secs(30),
            queue_timeout: Duration::from_secs(20),
            max_waiting: 1000,
            timeout: Some(Duration::from_secs(20)),
            buffers: Buffers::new(
                std::env::temp_dir(),
                BufferBounds {
                    per_connection: 256 << 10,
                    memory: 64 << 20,
                    spooled: 1 << 30,
                },
            ),
            policy: Policy {
                workers: 2,
                threads: 1,
                lanes: 1,
                max_requests: 0,
                max_requests_jitter: 0,
                max_memory: None,
                max_lifetime: None,
                graceful_timeout: Duration::from_secs(10),
                second_deadline: Duration::from_secs(10),
            },
        }
    }
}

fn python() -> PathBuf {
    std::env::var_os("HOTCLUB_TEST_PYTHON").map_or_else(|| which("python3"), PathBuf::from)
}

fn which(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.exists())
        .unwrap()
}

async fn start(site: &Site) -> Generation {
    Generation::start(site.spec(), &Place::Here(vec![Handle::current()]))
        .await
        .unwrap()
}

fn call(method: &str, path: &str, body: &[u8]) -> Call {
    let mut environ = EnvironWriter::with_capacity(512);
    let length = body.len().to_string();
    for (name, value) in [
        ("REQUEST_METHOD", method),
        ("SCRIPT_NAME", ""),
        ("PATH_INFO", path),
        ("QUERY_STRING", ""),
        ("SERVER_NAME", "localhost"),
        ("SERVER_PORT", "80"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("wsgi.url_scheme", "http"),
        ("CONTENT_LENGTH", &length),
    ] {
        environ.set(name.as_bytes(), value.as_bytes()).unwrap();
    }
    let body = match body.len() {
        0 => CallBody::None,
        _ => CallBody::Inline(body.to_vec().into()),
    };
    Call {
        environ,
        body,
        retry: method == "GET",
    }
}

async fn ask(generation: &Generation, call: Call) -> Result<Answer, CallError> {
    generation.lanes()[0].call(call).await
}

async fn body_of(answer: Answer) -> Vec<u8> {
    let mut body = answer.body;
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        match part.unwrap() {
            Part::Bytes(part) => bytes.extend_from_slice(&part),
            Part::File { file, offset, len } => {
                let mut part = vec![0; usize::try_from(len).unwrap()];
                let file = std::fs::File::from(file.try_clone().unwrap());
                std::os::unix::fs::FileExt::read_exact_at(&file, &mut part, offset).unwrap();
                bytes.extend(part);
            }
        }
    }
    bytes
}

#[tokio::test]
async fn a_request_is_answered_with_status_fields_and_body() {
    let site = Site::new(APP);
    let generation = start(&site).await;
    let answer = ask(&generation, call("POST", "/", b"hello")).await.unwrap();
    assert_eq!(answer.status, 200);
    let head = answer.head.clone();
    let (reason, fields) = HeadFields::split(&head);
    assert_eq!(reason, b"Fine");
    let fields: Vec<_> = fields.collect();
    assert_eq!(fields[0], (&b"Content-Type"[..], &b"text/plain"[..]));
    assert!(
        answer.body.known_len().is_some(),
        "a short answer is complete with its head"
    );
    assert!(body_of(answer).await.starts_with(b"hello pid "));
    assert!(
        !generation.drain(Duration::from_secs(10)).await,
        "workers had to be killed"
    );
}

#[tokio::test]
async fn a_large_body_arrives_by_descriptor() {
    let site = Site::new(APP);
    let generation = start(&site).await;
    let mut file = tempfile::tempfile().unwrap();
    let sent = vec![b'a'; 300_000];
    std::io::Write::write_all(&mut file, &sent).unwrap();
    let mut request = call("POST", "/", b"");
    request.body = CallBody::File {
        file: file.into(),
        len: sent.len() as u64,
    };
    request.environ.set(b"CONTENT_LENGTH", b"300000").unwrap();
    let body = body_of(ask(&generation, request).await.unwrap()).await;
    assert!(body.starts_with(&sent));
}

#[tokio::test]
async fn a_streamed_answer_arrives_whole() {
    let site = Site::new(APP);
    let generation = start(&site).await;
    let body = body_of(ask(&generation, call("GET", "/stream", b"")).await.unwrap()).await;
    assert_eq!(body, b"0;1;2;");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_spooled_and_frees_its_worker() {
    let site = Site::new(APP);
    let generation = start(&site).await;
    let slow = ask(&generation, call("GET", "/big", b"")).await.unwrap();
    let board = generation.board().clone();
    let freed = async {
        while (0..board.slots()).any(|slot| board.request(slot) != 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), freed)
        .await
        .expect("the worker waits");
    assert_eq!(body_of(slow).await.len(), 10_000_000);
}

#[tokio::test]
async fn a_killed_worker_costs_a_post_its_answer_and_a_get_nothing() {
    let site = Site::new(APP);
    let generation = start(&site).await;
    let died = ask(&generation, call("POST", "/die-once", b"x")).await;
    assert_eq!(died.unwrap_err(), CallError::WorkerDied);
    std::fs::remove_file(site.folder.path().join("died")).unwrap();
    let answer = ask(&generation, call("GET", "/die-once", b""))
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "a GET is run again elsewhere");
    let died = ask(&generation, call("GET", "/die", b"")).await;
    assert_eq!(died.unwrap_err(), CallError::WorkerDied);
    assert_eq!(site.read("runs-die"), "xx", "and only once");
}

/// Nothing tells such a worker from one that somebody else has killed.
#[tokio::test]
async fn a_request_whose_workers_are_killed_time_and_again_is_given_up_in_the_end() {
    let site = Site::new(APP);
    let generation = start(&site).await;
    let died = ask(&generation, call("GET", "/killed", b"")).await;
    assert_eq!(died.unwrap_err(), CallError::WorkerDied);
    assert_eq!(site.read("runs-killed"), "xxxxx");
}

#[tokio::test]
async fn an_app_that_cannot_be_imported_is_an_error_with_the_users_frames() {
    let site = Site::new(
        "import os\n\ndef broken():\n    raise ValueError('no such thing')\n\nbroken()\n",
    );
    let error = Generation::start(site.spec(), &Place::Here(vec![Handle::current()]))
        .await
        .unwrap_err();
    let StartError::App(failure) = error else {
        panic!("{error}")
    };
    assert_eq!(failure.kind, "ValueError");
    assert_eq!(failure.frames.last().unwrap().function, "broken");
}

#[tokio::test]
async fn draining_lets_a_running_request_finish() {
    let site = Site::new(&APP.replace("time.sleep(30)", "time.sleep(0.3)"));
    let generation = start(&site).await;
    let lane = generation.lanes()[0].clone();
    let running = tokio::spawn(async move { lane.call(call("GET", "/sleep", b"")).await });
    while generation.lanes()[0].load().1 == 0 {
        tokio::task::yield_now().await;
    }
    let lane = generation.lanes()[0].clone();
    assert!(!generation.drain(Duration::from_secs(10)).await);
    assert_eq!(running.await.unwrap().unwrap().status, 200);
    assert_eq!(
        lane.call(call("GET", "/", b"")).await.unwrap_err(),
        CallError::Closed
    );
}

#[tokio::test]
async fn a_request_past_its_deadline_is_given_up_and_its_worker_replaced() {
    let site = Site::new(APP);
    let mut spec = site.spec();
    spec.timeout = Some(Duration::from_millis(200));
    spec.policy.workers = 1;
    let generation = Generation::start(spec, &Place::Here(vec![Handle::current()]))
        .await
        .unwrap();
    let late = ask(&generation, call("GET", "/sleep", b"")).await;
    let CallError::Deadline(times) = late.unwrap_err() else {
        panic!("another error");
    };
    assert!(times.app >= Duration::from_millis(200), "{times:?}");
    assert_eq!(
        ask(&generation, call("GET", "/", b""))
            .await
            .unwrap()
            .status,
        200
    );
    // The hanging worker is killed a moment after its deadline, not thirty seconds later.
    assert!(!generation.drain(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn a_client_that_leaves_stops_a_streamed_answer() {
    let app = "import time\ndef application(environ, start_response):\n    start_response('200 OK', [])\n    \
               try:\n        while True:\n            yield b'tick'\n            time.sleep(0.01)\n    \
               finally:\n        open('closed', 'w').close()\n";
    let site = Site::new(app);
    let generation = start(&site).await;
    let answer = ask(&generation, call("GET", "/", b"")).await.unwrap();
    drop(answer);
    let closed = async {
        while !site.folder.path().join("closed").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed)
        .await
        .expect("never closed");
}

/// Workers that are stopped, then killed, hold whatever they had just read: some of it claimed, some
/// not. Nothing may be lost, and nothing may run twice.
#[tokio::test]
async fn kills_at_any_moment_lose_no_get_and_hang_no_post() {
    let app = "import os\ndef application(environ, start_response):\n    \
               fd = os.open('runs', os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n    \
               os.write(fd, (environ['PATH_INFO'] + '\\n').encode())\n    os.close(fd)\n    \
               start_response('200 OK', [])\n    return [b'ok']\n";
    let site = Site::new(app);
    let generation = std::sync::Arc::new(start(&site).await);
    let killer = {
        let generation = std::sync::Arc::clone(&generation);
        tokio::spawn(async move {
            for _ in 0..40 {
                let board = generation.board();
                let pids: Vec<u64> = (0..board.slots())
                    .map(|slot| board.view(slot).pid)
                    .filter(|p| *p != 0)
                    .collect();
                if let Some(pid) = pids.first().and_then(|pid| i32::try_from(*pid).ok()) {
                    let pid = rustix::process::Pid::from_raw(pid).unwrap();
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        })
    };
    let mut failed_posts = 0;
    let mut posts = 0;
    while !killer.is_finished() {
        let batch = (0..16).map(|n| {
            let generation = std::sync::Arc::clone(&generation);
            let method = if n % 2 == 0 { "GET" } else { "POST" };
            posts += usize::from(method == "POST");
            let path = format!("/{method}/{posts}");
            tokio::spawn(async move { (method, ask(&generation, call(method, &path, b"")).await) })
        });
        for task in batch.collect::<Vec<_>>() {
            match task.await.unwrap() {
                (_, Ok(answer)) => assert_eq!(answer.status, 200),
                ("POST", Err(CallError::WorkerDied)) => failed_posts += 1,
                (method, Err(error)) => panic!("{method}: {error}"),
            }
        }
    }
    assert!(failed_posts <= 40, "{failed_posts} failed of 40 kills");
    let runs = std::fs::read_to_string(site.folder.path().join("runs")).unwrap();
    let mut post_runs: Vec<_> = runs
        .lines()
        .filter(|line| line.starts_with("/POST"))
        .collect();
    let all = post_runs.len();
    post_runs.sort_unstable();
    post_runs.dedup();
    assert_eq!(post_runs.len(), all, "a POST ran twice");
}

#[tokio::test]
async fn a_dead_fork_server_is_replaced_while_its_workers_serve() {
    let site = Site::new(APP);
    let generation = start(&site).await;
    let pid_of = |slot: usize| generation.board().view(slot).pid;
    let worker = rustix::process::Pid::from_raw(i32::try_from(pid_of(0)).unwrap()).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", worker.as_raw_nonzero())).unwrap();
    let parent: i32 = stat
        .rsplit_once(") ")
        .unwrap()
        .1
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let parent = rustix::process::Pid::from_raw(parent).unwrap();
    rustix::process::kill_process(parent, rustix::process::Signal::KILL).unwrap();
    for _ in 0..20 {
        assert_eq!(
            ask(&generation, call("GET", "/", b""))
                .await
                .unwrap()
                .status,
            200
        );
    }
    rustix::process::kill_process(worker, rustix::process::Signal::KILL).unwrap();
    let replaced = async {
        while !(0..generation.board().slots()).any(|slot| slot > 1 && pid_of(slot) != 0) {
            assert_eq!(
                ask(&generation, call("GET", "/", b""))
                    .await
                    .unwrap()
                    .status,
                200
            );
        }
    };
    tokio::time::timeout(Duration::from_secs(20), replaced)
        .await
        .expect("no new worker");
    assert!(
        !generation.drain(Duration::from_secs(10)).await,
        "workers had to be killed"
    );
}
