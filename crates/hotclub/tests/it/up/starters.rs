//! What the starters of content management systems make must come up unmodified.

use hotclub_testkit::{Program, Project, need, python};

use super::up;

/// Each start says what it tuned and what it left alone, and why; here it is told to whoever reads the test's output.
fn tells_what_was_tuned(starter: &str, program: &Program) {
    let event = program.event(0, "tuned");
    for finding in event["done"].as_array().into_iter().flatten() {
        eprintln!("{starter}: tuned {}: {}", finding["at"], finding["what"]);
    }
    for finding in event["left"].as_array().into_iter().flatten() {
        eprintln!("{starter}: left {}: {}", finding["at"], finding["what"]);
    }
    let count = |key: &str| event[key].as_array().map_or(0, Vec::len);
    assert!(count("done") + count("left") > 0, "{event}");
}

#[test]
fn what_wagtail_start_makes_comes_up_unmodified() {
    let python = need!(python());
    let project = Project::generated(&python, "wagtail", &["start", "mysite", "."]);
    let program = up(&project).serve();
    assert!(program.get("/").expect(200).text().contains("Wagtail"));
    program.get("/admin/login/").expect(200);
    program.get("/static/wagtailadmin/css/core.css").expect(200);
    tells_what_was_tuned("wagtail start", &program);
    program.stop();
}

/// django CMS's command also makes projects from a template, which it downloads from a place that not
/// every machine reaches; what it adds to a project that is there comes with its package.
#[test]
fn a_project_to_which_django_cms_added_itself_comes_up_unmodified() {
    let python = need!(python());
    let project = Project::startproject(&python, "mysite", &[]);
    let said = project.adds_to_itself(
        &python,
        "djangocms",
        &[".", "--use-bundled-install-rules", "--noinput"],
    );
    let packages = said
        .lines()
        .find_map(|line| line.split_once("-m pip install "));
    let (_, packages) = packages.unwrap_or_else(|| panic!("no packages in {said}"));
    let packages = packages.replace([' ', '\''], "\n");
    project.append("requirements.txt", &packages);
    let program = up(&project).serve();
    let answer = program.get("/");
    assert!(matches!(answer.status, 200 | 302 | 404), "{answer:?}");
    program.get("/admin/login/").expect(200);
    let style = program.get("/static/cms/js/dist/bundle.toolbar.min.js");
    assert!(matches!(style.status, 200 | 404), "{}", style.status);
    tells_what_was_tuned("django CMS", &program);
    program.stop();
}
