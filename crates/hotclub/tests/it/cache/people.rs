//! Several people at one site: each sees his own, and nobody another's.

use std::process::Command;

use hotclub_testkit::{Program, Response, Signal, need, python};

use super::site;
use crate::up::up;

const FOREVER: &str = "anonymous = \"1h\"";

/// One person's browser: it keeps its cookies.
struct Browser<'a> {
    program: &'a Program,
    cookies: Vec<(String, String)>,
}

impl<'a> Browser<'a> {
    fn new(program: &'a Program) -> Self {
        Self {
            program,
            cookies: Vec::new(),
        }
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Response {
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookies = cookies.join("; ");
        let mut fields = vec![("Content-Type", "application/x-www-form-urlencoded")];
        if !cookies.is_empty() {
            fields.push(("Cookie", &cookies));
        }
        let answer = self.program.request(method, path, &fields, body.as_bytes());
        for cookie in answer.headers_named("set-cookie") {
            let pair = cookie.split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        answer
    }

    fn get(&mut self, path: &str) -> String {
        self.ask("GET", path, "").expect(200).text().to_owned()
    }
}

fn is_hit(answer: &Response) -> bool {
    answer
        .header("cache-status")
        .is_some_and(|said| said.contains("; hit"))
}

#[test]
fn nobody_sees_a_page_that_was_made_for_somebody_else() {
    let python = need!(python());
    let project = site(&python, FOREVER);
    let program = up(&project).serve();
    let (mut anna, mut boris, mut stranger) = (
        Browser::new(&program),
        Browser::new(&program),
        Browser::new(&program),
    );
    // The stranger comes first: what he gets is kept.
    assert!(stranger.get("/who/").starts_with("nobody "));
    for (browser, name) in [(&mut anna, "anna"), (&mut boris, "boris")] {
        browser
            .ask("POST", "/enter/", &format!("name={name}"))
            .expect(302);
        assert!(
            browser
                .cookies
                .iter()
                .any(|(cookie, _)| cookie == "sessionid")
        );
    }
    // To log in leads to this page: what was kept of it is out of date. From here on it is for strangers.
    let of_nobody = stranger.get("/who/");
    for _ in 0..3 {
        assert!(anna.get("/who/").starts_with("anna "));
        assert!(boris.get("/who/").starts_with("boris "));
        assert_eq!(stranger.get("/who/"), of_nobody);
    }
    // Also of a page that says nothing of cookies: theirs are made for each of them.
    let home = stranger.get("/");
    let mut pages = vec![home.clone(), anna.get("/"), boris.get("/"), anna.get("/")];
    pages.sort();
    pages.dedup();
    assert_eq!(pages.len(), 4);
    assert_eq!(Browser::new(&program).get("/"), home);
    program.stop();
}

#[test]
fn a_forms_token_is_its_visitors_own_and_the_form_can_be_sent() {
    let python = need!(python());
    let project = site(&python, FOREVER);
    let program = up(&project).serve();
    let token = |page: &str| {
        let from = page.find("value=\"").unwrap() + 7;
        page[from..from + 64].to_owned()
    };
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let mut browser = Browser::new(&program);
        let shown = browser.get("/form/");
        let body = format!("csrfmiddlewaretoken={}&text=x", token(&shown));
        browser.ask("POST", "/form/", &body).expect(302);
        tokens.push(browser.cookies.clone());
        tokens.dedup();
    }
    assert_eq!(tokens.len(), 2, "two visitors got one cookie");
    program.stop();
}

#[test]
fn what_the_app_says_is_everybodys_is_made_once_and_goes_with_a_reload() {
    let python = need!(python());
    let project = site(&python, "");
    let program = up(&project).serve();
    let mut anna = Browser::new(&program);
    anna.ask("POST", "/enter/", "name=anna").expect(302);
    let shared = anna.get("/shared/");
    let answer = program.get("/shared/").expect(200);
    assert!(is_hit(&answer) && answer.text() == shared && answer.header("cache-tag").is_none());
    // Nothing else is kept without `anonymous`.
    assert_ne!(program.get("/").text(), program.get("/").text());
    let before = program.stdout.all().len();
    program.signal(Signal::HUP);
    program.event(before, "reloaded");
    let answer = program.get("/shared/").expect(200);
    assert!(!is_hit(&answer) && answer.text() != shared);
    program.stop();
}

#[test]
fn a_broken_app_is_stood_in_for_with_a_line_in_the_log() {
    let python = need!(python());
    let project = site(&python, "");
    let switch = project.path("broken");
    let mut program = up(&project).env("SWITCH", &switch).serve();
    program.allow("RuntimeError");
    program.allow("Internal Server Error");
    let page = program.get("/broken/").expect(200).text().to_owned();
    project.write("broken", "");
    let answer = program.get("/broken/").expect(200);
    assert_eq!(answer.text(), page);
    assert!(
        answer
            .header("cache-status")
            .unwrap()
            .ends_with("detail=app-failed")
    );
    program.says("the app failed: 1 requests were answered from the cache");
    program.stop();
}

#[test]
fn a_site_says_what_it_keeps_and_forgets_what_it_is_told_to() {
    let python = need!(python());
    let project = site(&python, FOREVER);
    let program = up(&project).serve();
    let pages =
        |program: &Program| ["/", "/shared/"].map(|path| program.get(path).text().to_owned());
    let kept = pages(&program);
    assert_eq!(pages(&program), kept);
    let cache = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hotclub"));
        let output = command
            .arg("cache")
            .arg(project.dir())
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let stats = || -> serde_json::Value {
        let (code, said, error) = cache(&["stats", "--json"]);
        assert_eq!(code, Some(0), "{error}");
        serde_json::from_str(&said).unwrap()
    };
    let now = stats();
    assert_eq!(
        (now["answers"].as_u64(), now["hits"].as_u64()),
        (Some(2), Some(2)),
        "{now}"
    );
    let forgets = |arguments: &[&str], count: u64| {
        let (_, _, said) = cache(arguments);
        let expected = format!("{count} answers are forgotten");
        assert!(said.contains(&expected), "{arguments:?}: {said}");
    };
    forgets(&["purge", "shared"], 1);
    let now = pages(&program);
    assert!(now[0] == kept[0] && now[1] != kept[1]);
    forgets(&["purge", "/"], 1);
    forgets(&["purge"], 1);
    assert_eq!(stats()["answers"], 0);
    program.stop();
    let (code, _, said) = cache(&["stats"]);
    assert!(
        code == Some(1) && said.contains("this site is not up"),
        "{said}"
    );
}
