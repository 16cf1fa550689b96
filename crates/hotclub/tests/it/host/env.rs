//! `hotclub env` and `hotclub logs`.

use std::os::unix::fs::PermissionsExt;

use hotclub_testkit::{need, python};

use super::django::notes;
use super::{command, done, home, host, kept, refused, server, text};
use crate::up::says;

#[test]
fn variables_are_set_explained_hidden_and_taken_back_and_what_breaks_the_site_is_not_kept() {
    let python = need!(python());
    let server = server();
    let folder = notes(&server, &python);
    server
        .append("notes/config/settings.py", "import os\nGREETING = os.environ.get('GREETING', 'none')\nassert GREETING != 'bad'\n")
        .edit(
            "notes/config/urls.py",
            "return HttpResponse(WORDS)",
            "from django.conf import settings; print('greeted', flush=True); return HttpResponse(settings.GREETING)",
        );
    let mut program = host(&server).serve();
    program.allow("AssertionError");
    program.allow("Traceback");
    done(&server, &["deploy", text(&folder)]);
    assert_eq!(home(&program, "localhost").1, "none");

    done(&server, &["env", "notes", "set", "GREETING=it's $5"]);
    assert_eq!(home(&program, "localhost").1, "it's $5");
    let file = kept(&server, "notes").join("env");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let told = done(&server, &["env", "notes", "explain", "GREETING"]);
    assert_eq!(told["set"]["from"], "hotclub env");
    assert!(
        !told.to_string().contains("$5"),
        "hidden unless asked: {told}"
    );
    assert!(
        told["read_at"]
            .as_str()
            .unwrap()
            .starts_with("config/settings.py:")
    );
    let listed = done(&server, &["env", "notes", "list", "--show"]);
    assert!(listed.to_string().contains("it's $5"));

    let error = refused(&server, &["env", "notes", "set", "GREETING=bad"]);
    says(&error, &["not changed"]);
    assert_eq!(home(&program, "localhost").1, "it's $5");
    assert!(!std::fs::read_to_string(&file).unwrap().contains("bad"));

    // What was set outlives a restart and a reload.
    done(&server, &["restart", "notes"]);
    assert_eq!(home(&program, "localhost").1, "it's $5");
    done(&server, &["reload", "notes"]);
    assert_eq!(home(&program, "localhost").1, "it's $5");
    done(&server, &["env", "notes", "unset", "GREETING"]);
    assert_eq!(home(&program, "localhost").1, "none");
    let logs = command(&server, &["logs", "notes"]).end_within(std::time::Duration::from_secs(30));
    assert!(logs.stdout.contains(" app greeted"), "{}", logs.stdout);
    program.forget_descriptors();
    program.stop();
}
