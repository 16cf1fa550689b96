//! Apps that cannot be served.

use super::{app_of, serve};
use crate::hotclub;

#[test]
fn an_import_error_shows_the_users_frames_and_a_hint() {
    let project =
        app_of("from views import index\ndef application(e, s):\n    return index(e, s)\n");
    project.write("views.py", "import a_package_that_is_missing\n");
    let ended = serve("app", project.dir(), 2).fail();
    ended
        .says("error: the app app cannot be imported")
        .says("views.py:1")
        .says("import a_package_that_is_missing")
        .says("ModuleNotFoundError")
        .says("hint: ");
    assert!(
        !ended.stderr.contains("importlib"),
        "not the user's frames:\n{}",
        ended.stderr
    );
}

#[test]
fn an_app_that_is_not_in_its_module_is_named() {
    let project = app_of("app = None\n");
    serve("app:application", project.dir(), 1)
        .fail()
        .says("application")
        .says("hint: ");
    serve("app:app", project.dir(), 1).fail().says("error: ");
}

#[test]
fn a_module_that_is_not_there_is_named_with_the_folder_it_was_looked_for_in() {
    let project = app_of("");
    let ended = serve("nowhere:app", project.dir(), 1).fail();
    ended
        .says("nowhere")
        .says(project.dir().to_str().unwrap())
        .says("hint: ");
}

#[test]
fn an_app_that_exits_while_it_is_imported_is_an_error() {
    let project = app_of("import sys\nsys.exit(3)\n");
    serve("app", project.dir(), 1)
        .fail()
        .says("error: ")
        .says("sys.exit");
}

#[test]
fn an_app_that_kills_its_process_at_import_is_an_error() {
    let project = app_of("import os\nos.abort()\n");
    serve("app", project.dir(), 1).fail().says("error: ");
    let project = app_of("import os\nos._exit(0)\n");
    serve("app", project.dir(), 1).fail().says("error: ");
}

#[test]
fn without_preload_an_import_error_ends_the_program_too() {
    let project = app_of("raise RuntimeError('not today')\n");
    serve("app", project.dir(), 2)
        .arg("--no-preload")
        .allow(" ERROR ")
        .fail()
        .says("not today");
}

#[test]
fn a_python_that_is_none_is_named() {
    let project = app_of(super::PID_APP);
    let launch = |python: &str| {
        hotclub()
            .args(["serve", "app", "-b", "127.0.0.1:0", "--python", python])
            .within(project.dir())
    };
    launch("/nowhere/python").fail().says("/nowhere/python");
    launch("/bin/true").fail().says("/bin/true");
}
