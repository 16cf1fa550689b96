//! Chromium, driven over the WebDriver protocol.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::lines::Lines;
use crate::processes::descendants;
use crate::raw::Raw;
use crate::wait::until;

/// The key under which the protocol hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One window; gone when dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    address: String,
    session: String,
    _profile: TempDir,
}

/// An element of the page that is shown.
#[derive(Debug)]
pub struct Element<'a> {
    browser: &'a Browser,
    id: String,
}

impl Browser {
    /// A new browser, or why there is none.
    pub fn start() -> Result<Self, String> {
        Self::begin(None)
    }

    /// The same for the person whose home this is: their certificates are believed.
    pub fn of(home: &Path) -> Result<Self, String> {
        Self::begin(Some(home))
    }

    fn begin(home: Option<&Path>) -> Result<Self, String> {
        let chromium = program("HOTCLUB_TEST_CHROMIUM", "/usr/bin/chromium")?;
        let chromedriver = program("HOTCLUB_TEST_CHROMEDRIVER", "/usr/bin/chromedriver")?;
        let profile = crate::folder();
        let mut driver = Command::new(chromedriver);
        if let Some(home) = home {
            driver.env("HOME", home);
        }
        let mut driver = driver
            .args(["--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver can be started");
        let lines = Lines::read(driver.stdout.take().expect("stdout is a pipe"));
        let port = |line: &str| {
            let rest = line.split_once("started successfully on port ")?.1;
            rest.trim_end_matches('.').parse::<u16>().ok()
        };
        let port = lines.find(0, Duration::from_secs(30), port);
        let port = port.unwrap_or_else(|| panic!("chromedriver says no port: {}", lines.text()));
        let mut browser = Self {
            driver,
            address: format!("127.0.0.1:{port}"),
            session: String::new(),
            _profile: profile,
        };
        browser.session = browser.new_session(&chromium);
        Ok(browser)
    }

    fn new_session(&self, chromium: &Path) -> String {
        let profile = format!("--user-data-dir={}", self._profile.path().display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,1600",
            &profile,
        ];
        let options = json!({"binary": chromium, "args": arguments});
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let answer = self.call("POST", "/session", &wanted);
        answer["sessionId"]
            .as_str()
            .expect("a session has an id")
            .to_owned()
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        match self.try_call(method, path, body) {
            Ok(value) => value,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    fn try_call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if method == "GET" {
            String::new()
        } else {
            body.to_string()
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut connection = Raw::connect(&self.address).map_err(|error| error.to_string())?;
        let answer = connection.ask(request).map_err(|error| error.to_string())?;
        let mut value = answer.json();
        let value = value["value"].take();
        if answer.status == 200 {
            Ok(value)
        } else {
            Err(value["message"].to_string())
        }
    }

    #[track_caller]
    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, &format!("/session/{}{path}", self.session), body)
    }

    /// Shows an address and waits until it is loaded.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.command("POST", "/url", &json!({"url": url}));
    }

    /// The same where that may fail; the browser's own words.
    pub fn try_open(&self, url: &str) -> Result<(), String> {
        let path = format!("/session/{}/url", self.session);
        self.try_call("POST", &path, &json!({"url": url})).map(drop)
    }

    pub fn url(&self) -> String {
        self.command("GET", "/url", &Value::Null)
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub fn title(&self) -> String {
        self.command("GET", "/title", &Value::Null)
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The page's HTML.
    pub fn source(&self) -> String {
        self.command("GET", "/source", &Value::Null)
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits for the first element that a CSS selector finds.
    #[track_caller]
    pub fn find(&self, css: &str) -> Element<'_> {
        let path = format!("/session/{}/element", self.session);
        let wanted = json!({"using": "css selector", "value": css});
        let found = until(css, || self.try_call("POST", &path, &wanted).ok());
        let id = found[ELEMENT]
            .as_str()
            .expect("an element has an id")
            .to_owned();
        Element { browser: self, id }
    }

    /// Runs JavaScript in the page; its `return` is the answer.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.command(
            "POST",
            "/execute/sync",
            &json!({"script": script, "args": []}),
        )
    }

    /// What is to be seen, as PNG.
    pub fn screenshot(&self, file: &Path) {
        let text = self.command("GET", "/screenshot", &Value::Null);
        let bytes = STANDARD
            .decode(text.as_str().unwrap_or_default())
            .expect("it is base64");
        std::fs::write(file, bytes).expect("the picture can be written");
    }
}

impl Element<'_> {
    #[track_caller]
    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        self.browser
            .command(method, &format!("/element/{}{path}", self.id), body)
    }

    #[track_caller]
    pub fn click(&self) {
        self.command("POST", "/click", &json!({}));
    }

    /// Types a text; into a file field, the path of a file.
    #[track_caller]
    pub fn write(&self, text: &str) -> &Self {
        self.command("POST", "/value", &json!({"text": text}));
        self
    }

    pub fn text(&self) -> String {
        self.command("GET", "/text", &Value::Null)
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub fn attribute(&self, name: &str) -> Option<String> {
        let value = self.command("GET", &format!("/attribute/{name}"), &Value::Null);
        value.as_str().map(str::to_owned)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.try_call("DELETE", &format!("/session/{}", self.session), &json!({}));
        let left = descendants(self.driver.id());
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        for process in left.iter().filter(|process| process.is_alive()) {
            if let Some(pid) = rustix::process::Pid::from_raw(process.pid.cast_signed()) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

fn program(variable: &str, debian: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os(variable).map_or_else(|| PathBuf::from(debian), PathBuf::from);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!(
            "{} is missing (`cargo xtask setup` installs it)",
            path.display()
        ))
    }
}
