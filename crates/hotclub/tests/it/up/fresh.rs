//! A project that was never served before.

use hotclub_testkit::{Project, need, python};

use super::{plain, refused, says, state_of, up};
use crate::hotclub;

#[test]
fn a_new_django_project_is_served_unmodified_and_its_second_start_skips_what_is_done() {
    let python = need!(python());
    let project = plain(&python);
    let before = project.tree();
    let program = up(&project).serve();
    assert!(
        program
            .get("/")
            .expect(200)
            .text()
            .contains("install worked")
    );
    program.get("/admin/login/").expect(200);
    program.get("/static/admin/css/base.css").expect(200);
    let served = program.served();
    assert!(
        python
            .pinned("Django")
            .ends_with(served["django"].as_str().unwrap()),
        "{served}"
    );
    assert_eq!(served["workers"], 2);
    assert!(
        served["database"].as_str().unwrap().contains("SQLite"),
        "{served}"
    );
    assert!(
        served["static_files"]
            .as_str()
            .unwrap()
            .contains("/static/"),
        "{served}"
    );
    program.stop();
    let new: Vec<_> = project
        .tree()
        .into_iter()
        .filter(|path| !before.contains(path))
        .collect();
    assert_eq!(
        new,
        [std::path::PathBuf::from("db.sqlite3")],
        "what the project's own settings make, and no more"
    );
    assert_eq!(
        project.read(".hotclub/.gitignore").lines().next(),
        Some("*")
    );

    let program = up(&project).serve();
    for step in ["dependencies", "settings", "migrations", "static files"] {
        assert_eq!(state_of(&program, step), "skipped", "{step}");
    }
    eprintln!(
        "second start: {} s until it served",
        program.served()["seconds"]
    );
    program.get("/admin/login/").expect(200);
    program.stop();
}

#[test]
fn people_read_one_line_that_says_where_and_on_what_it_stands() {
    let python = need!(python());
    let project = plain(&python);
    let program = hotclub()
        .args(["up", "--listen", "127.0.0.1:0"])
        .of(&project)
        .within(project.dir())
        .serve();
    let line = program.says("serving http://127.0.0.1:");
    for word in ["Django 5.", "Python 3.", "worker", "SQLite", "static"] {
        assert!(line.contains(word), "{word:?} is not in {line:?}");
    }
    assert!(
        !line.contains('\u{1b}'),
        "colours without a terminal: {line:?}"
    );
    assert_eq!(
        program.stdout.count(),
        0,
        "stdout is for data: {}",
        program.stdout.text()
    );
    program.get("/").expect(200);
    program.stop();
}

#[test]
fn a_project_in_src_is_found() {
    let python = need!(python());
    let project = Project::empty();
    std::fs::create_dir(project.path("src")).unwrap();
    python.run(
        &project.path("src"),
        &["-m", "django", "startproject", "mysite", "."],
    );
    project.write("requirements.txt", &python.pinned("Django"));
    let program = up(&project).serve();
    program.get("/").expect(200);
    program.stop();
}

#[test]
fn two_projects_in_a_folder_are_listed() {
    let project = Project::empty();
    for name in ["one", "two"] {
        project.write(
            &format!("{name}/manage.py"),
            "import django.core.management  # DJANGO_SETTINGS_MODULE\n",
        );
    }
    says(
        &refused(&project),
        &["one/manage.py", "two/manage.py", "[app]", "dir"],
    );
    let empty = Project::empty();
    says(&refused(&empty), &["no manage.py"]);
}

#[test]
fn two_lock_files_are_named_with_the_key_that_decides() {
    let python = need!(python());
    let project = plain(&python);
    project
        .write("uv.lock", "version = 1\n")
        .write("poetry.lock", "# generated\n");
    says(
        &refused(&project),
        &["uv.lock", "poetry.lock", "dependencies", "hotclub.toml"],
    );
}

#[test]
fn a_fault_in_hotclub_toml_is_shown_with_its_line_and_the_nearest_key() {
    let python = need!(python());
    let project = plain(&python);
    project.write("hotclub.toml", "name = \"site\"\n\n[app]\nworker = 3\n");
    let ended = hotclub().arg("up").arg(project.dir()).of(&project).fail();
    ended
        .says("hotclub.toml")
        .says("worker")
        .says("workers")
        .says("4");
}

#[test]
fn a_changed_file_reloads_and_a_broken_one_keeps_the_old_code_serving() {
    let python = need!(python());
    let project = plain(&python);
    let view = |word: &str| {
        format!(
            "from django.http import HttpResponse\nfrom django.urls import path\n\
             urlpatterns = [path('', lambda request: HttpResponse('{word}'))]\n"
        )
    };
    project.write("mysite/urls.py", &view("old"));
    let program = up(&project).arg("--reload").serve();
    assert_eq!(program.get("/").expect(200).text(), "old");

    let line = program.stdout.count();
    project.write("mysite/urls.py", &view("new"));
    assert_eq!(program.event(line, "reloaded")["generation"], 2);
    assert_eq!(program.get("/").expect(200).text(), "new");

    let line = program.stdout.count();
    project.write("mysite/settings.py", "import nothing_of_the_kind\n");
    let error = program.event(line, "error");
    says(
        &error,
        &["not reloaded", "settings.py:1", "nothing_of_the_kind"],
    );
    assert_eq!(program.get("/").expect(200).text(), "new");
    program.stop();
}
