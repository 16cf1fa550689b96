//! A folder as a site of its own.

use super::*;

fn asked(pages: &Pages, method: FileMethod, path: &str) -> (u16, String) {
    let fields = Fields::default();
    let request = FileRequest {
        method,
        path: path.as_bytes(),
        fields: &fields,
    };
    match pages.respond(b"/", &request) {
        PageOutcome::Response(response) => {
            let seen = seen(&response);
            (seen.status, seen.text().to_owned())
        }
        PageOutcome::Moved(path) => (301, String::from_utf8(path).unwrap()),
        PageOutcome::NotFound => (404, String::new()),
    }
}

fn ground() -> Ground {
    let ground = Ground::new();
    for name in [
        "index.html",
        "about.html",
        "docs/index.html",
        "docs/guide.html",
        "both.html",
        "both/index.html",
        "plain/a.txt",
        "404.html",
        ".secret/index.html",
    ] {
        ground.write(name, name);
    }
    ground
}

fn rules() -> PageRules {
    PageRules {
        pages: true,
        not_found: Some("404.html".to_owned()),
        ..PageRules::default()
    }
}

#[test]
fn pages_have_clean_addresses_and_folders_have_an_index() {
    let ground = ground();
    let pages = Pages::new(ground.site(), rules());
    for (path, status, text) in [
        ("", 200, "index.html"),
        ("about", 200, "about.html"),
        ("about.html", 200, "about.html"),
        ("about/", 301, "about"),
        ("docs", 301, "docs/"),
        ("docs/", 200, "docs/index.html"),
        ("docs/guide", 200, "docs/guide.html"),
        ("both", 200, "both.html"),
        ("both/", 200, "both/index.html"),
        ("plain/", 404, "404.html"),
        ("plain", 404, "404.html"),
        ("missing", 404, "404.html"),
        ("docs//", 404, "404.html"),
        (".secret/", 404, "404.html"),
        ("/", 404, "404.html"),
    ] {
        let expected = (status, text.to_owned());
        assert_eq!(asked(&pages, FileMethod::Get, path), expected, "{path:?}");
    }
    assert_eq!(asked(&pages, FileMethod::Head, "missing").0, 404);
    assert_eq!(asked(&pages, FileMethod::Other, "about").0, 405);
}

#[test]
fn the_page_of_a_404_is_neither_kept_nor_compared() {
    let ground = ground();
    let pages = Pages::new(ground.site(), rules());
    let fields = Fields::default();
    let request = FileRequest {
        method: FileMethod::Get,
        path: b"missing",
        fields: &fields,
    };
    let PageOutcome::Response(response) = pages.respond(b"/", &request) else {
        panic!("no page");
    };
    let seen = seen(&response);
    assert_eq!(seen.field("Cache-Control"), Some("no-cache"));
    assert_eq!(
        (seen.field("ETag"), seen.field("Last-Modified")),
        (None, None)
    );
}

#[test]
fn a_fallback_answers_for_pages_and_not_for_files() {
    let ground = ground();
    let rules = PageRules {
        fallback: Some("index.html".to_owned()),
        ..rules()
    };
    let pages = Pages::new(ground.site(), rules);
    for (path, status, text) in [
        ("orders/7", 200, "index.html"),
        ("orders/", 200, "index.html"),
        ("about", 200, "about.html"),
        ("app.js", 404, "404.html"),
    ] {
        let expected = (status, text.to_owned());
        assert_eq!(asked(&pages, FileMethod::Get, path), expected, "{path:?}");
    }
}

#[test]
fn a_listing_shows_what_may_be_asked_for() {
    let ground = ground();
    std::os::unix::fs::symlink("/etc", ground.root().join("plain/link")).unwrap();
    ground.write("plain/<i>.txt", "x");
    ground.write("plain/.hidden", "x");
    ground.write("plain/deep/x", "x");
    let rules = PageRules {
        listing: true,
        ..PageRules::default()
    };
    let pages = Pages::new(ground.site(), rules);
    let (status, html) = asked(&pages, FileMethod::Get, "plain/");
    assert_eq!(status, 200);
    assert!(
        html.contains("<a href=\"./a%2Etxt\">a.txt</a><td>11"),
        "{html}"
    );
    assert!(html.contains("&lt;i&gt;.txt"), "{html}");
    assert!(html.contains("<a href=\"./deep/\">deep/</a>"), "{html}");
    assert!(!html.contains("hidden") && !html.contains("link"), "{html}");
    assert_eq!(asked(&pages, FileMethod::Get, "plain").0, 301);
    assert_eq!(asked(&pages, FileMethod::Get, "").0, 200);
    assert_eq!(asked(&pages, FileMethod::Get, "plain/link/").0, 404);
    assert_eq!(asked(&pages, FileMethod::Get, ".secret/").0, 404);
    assert_eq!(asked(&pages, FileMethod::Get, "nowhere/").0, 404);
}
