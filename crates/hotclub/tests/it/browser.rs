//! A person with a browser: looks at the portfolio, adds a work with a picture, writes to the artist.

use hotclub_testkit::{Browser, Postgres, Project, need, python, repository, until};

use crate::portfolio::manage;
use crate::up::up;

#[test]
fn in_a_browser_a_picture_is_uploaded_shown_and_the_contact_form_sent() {
    let python = need!(python());
    need!(Postgres::available());
    let browser = need!(Browser::start());
    let project = Project::copy_of("examples/portfolio");
    let program = up(&project).serve();
    manage(&project, &["seed"], &[]);
    let artist = [
        ("DJANGO_SUPERUSER_USERNAME", "artist"),
        ("DJANGO_SUPERUSER_EMAIL", "artist@example.com"),
        ("DJANGO_SUPERUSER_PASSWORD", "a-long-password"),
    ];
    manage(&project, &["createsuperuser", "--noinput"], &artist);
    let picture = project.base().join("made-on-the-spot.png");
    let draw = format!(
        "from PIL import Image, ImageDraw\nimage = Image.new('RGB', (640, 480), 'teal')\n\
         ImageDraw.Draw(image).ellipse((160, 80, 480, 400), fill='gold')\nimage.save({picture:?})"
    );
    python.run(project.base(), &["-c", &draw]);

    let site = program.urls()[0].clone();
    browser.open(&format!("{site}/"));
    browser.find("img");
    shows_all_pictures(&browser);
    browser.screenshot(&repository().join("target/portfolio-home.png"));

    browser.open(&format!("{site}/admin/"));
    browser.find("#id_username").write("artist");
    browser.find("#id_password").write("a-long-password");
    browser.find("input[type=submit]").click();
    until("the admin's home", || {
        browser.source().contains("Log out").then_some(())
    });

    browser.open(&format!("{site}/admin/pieces/art/add/"));
    browser.find("#id_title").write("Sun over teal water");
    browser
        .find("input[type=file]")
        .write(picture.to_str().unwrap());
    browser.find("input[name=_save]").click();
    until("the work to be saved", || {
        browser
            .source()
            .contains("added successfully")
            .then_some(())
    });

    browser.open(&format!("{site}/art/"));
    until("the work's page", || {
        browser
            .source()
            .contains("Sun over teal water")
            .then_some(())
    });
    let shown = browser.run(
        "return [...document.images].filter(i => (i.alt + i.closest('a,article')?.textContent)\
         .includes('Sun over teal water')).map(i => i.currentSrc)[0]",
    );
    assert!(
        shown.as_str().is_some_and(|src| src.contains("/media/")),
        "{shown}"
    );
    shows_all_pictures(&browser);
    browser.screenshot(&repository().join("target/portfolio-art.png"));

    browser.open(&format!("{site}/contact/"));
    for (field, text) in [
        ("name", "A visitor"),
        ("email", "visitor@example.com"),
        ("text", "Your teal sun made my day, thank you."),
    ] {
        browser.find(&format!("[name={field}]")).write(text);
    }
    browser.find("main form [type=submit]").click();
    until("thanks", || {
        (!browser.url().ends_with("/contact/")).then_some(())
    });
    // The console backend prints the mail.
    program.says("Your teal sun made my day");
    drop(browser);
    program.stop();
}

/// Every picture of the page that is near enough to be loaded has come.
fn shows_all_pictures(browser: &Browser) {
    let broken = "return [...document.images].filter(i => i.complete && i.naturalWidth == 0).map(i => i.src)";
    assert_eq!(browser.run(broken), serde_json::json!([]));
    until("pictures to be loaded", || {
        let count =
            browser.run("return [...document.images].filter(i => i.naturalWidth > 0).length");
        count.as_u64().is_some_and(|count| count > 0).then_some(())
    });
}
