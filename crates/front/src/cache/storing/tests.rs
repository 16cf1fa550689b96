use super::*;
use crate::request::Request;

const WISHES: Wishes = Wishes {
    anonymous: Some(Duration::from_secs(2)),
    stale_if_error: Duration::from_secs(300),
};
const QUIET: Wishes = Wishes {
    anonymous: None,
    ..WISHES
};

fn traits(lines: &[(&str, &str)]) -> Traits {
    let mut request = Request {
        method: b"GET".to_vec(),
        ..Request::default()
    };
    for (name, value) in lines {
        request.fields.push(name.as_bytes(), value.as_bytes());
    }
    Traits::of(&request)
}

fn fields(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in lines {
        fields.push(name.as_bytes(), value.as_bytes());
    }
    fields
}

fn judge(
    wishes: &Wishes,
    asked: &[(&str, &str)],
    status: u16,
    answer: &[(&str, &str)],
) -> Option<Terms> {
    let now = SystemTime::now();
    terms(wishes, &traits(asked), (status, &fields(answer)), now).ok()
}

const COOKIE: (&str, &str) = ("Cookie", "sessionid=1");
const BASIC: (&str, &str) = ("Authorization", "Basic YTpi");

/// What no visitor may ever get of another.
#[test]
fn what_may_be_somebodys_own_is_not_kept() {
    let set = ("Set-Cookie", "sessionid=1");
    let minute = ("Cache-Control", "max-age=60");
    let public = ("Cache-Control", "public, s-maxage=60");
    for (asked, answer) in [
        (&[][..], &[set][..]),
        (&[], &[set, public]),
        (&[], &[("Cache-Control", "private, max-age=60")]),
        (&[], &[("Cache-Control", "private=\"x\", s-maxage=60")]),
        (&[], &[("Cache-Control", "no-store, s-maxage=60")]),
        (&[], &[("Vary", "*"), public]),
        (&[], &[("Content-Type", "text/event-stream"), public]),
        (&[COOKIE], &[]),
        (&[COOKIE], &[minute]),
        (&[COOKIE], &[minute, ("Vary", "Cookie")]),
        (&[BASIC], &[minute]),
        (
            &[BASIC],
            &[("Cache-Control", "max-age=60, must-revalidate")],
        ),
        (&[("Cache-Control", "no-store")], &[public]),
        (&[("X-HTTP-Method-Override", "DELETE")], &[public]),
        (&[("If-Match", "\"a\"")], &[public]),
    ] {
        assert_eq!(
            judge(&WISHES, asked, 200, answer),
            None,
            "{asked:?} {answer:?}"
        );
    }
    for asked in [[COOKIE], [BASIC]] {
        let kept = judge(&WISHES, &asked, 200, &[public]).unwrap();
        assert!(!kept.anonymous);
    }
}

#[test]
fn of_pages_that_say_nothing_only_those_for_unknown_visitors_are_kept_and_only_if_asked_for() {
    let kept = judge(&WISHES, &[], 200, &[("Vary", "Cookie")]).unwrap();
    assert!(kept.anonymous && kept.lifetime == Duration::from_secs(2));
    assert_eq!(judge(&QUIET, &[], 200, &[]), None);
    for asked in [
        COOKIE,
        BASIC,
        ("HX-Request", "true"),
        ("X-Requested-With", "XMLHttpRequest"),
    ] {
        assert_eq!(judge(&WISHES, &[asked], 200, &[]), None, "{asked:?}");
    }
    for status in [201, 204, 206, 302, 304, 400, 401, 403, 429, 500, 502, 503] {
        assert_eq!(judge(&WISHES, &[], status, &[]), None, "{status}");
    }
    for status in [200, 301, 308, 404, 410] {
        assert!(judge(&WISHES, &[], status, &[]).is_some(), "{status}");
    }
    // The app's own word counts, also where it is a short one.
    assert_eq!(
        judge(&WISHES, &[], 200, &[("Cache-Control", "max-age=0")]),
        None
    );
    assert_eq!(
        judge(&WISHES, &[], 200, &[("Cache-Control", "no-cache")]),
        None
    );
    assert_eq!(judge(&WISHES, &[], 200, &[("Expires", "0")]), None);
}

#[test]
fn the_apps_word_becomes_terms() {
    let said = |value| {
        judge(
            &QUIET,
            &[],
            200,
            &[("Cache-Control", value), ("ETag", "\"a\"")],
        )
    };
    let terms = said("max-age=60, stale-while-revalidate=5, stale-if-error=7").unwrap();
    assert_eq!(terms.lifetime.as_secs(), 60);
    assert_eq!(
        (terms.while_revalidated.as_secs(), terms.if_error.as_secs()),
        (5, 7)
    );
    assert_eq!(said("max-age=60").unwrap().if_error.as_secs(), 300);
    let strict = said("max-age=60, must-revalidate, stale-if-error=9").unwrap();
    assert!(strict.never_stale && strict.if_error.is_zero());
    assert!(said("s-maxage=60").unwrap().never_stale);
    assert!(!said("s-maxage=60, stale-if-error=9").unwrap().never_stale);
    assert!(said("no-cache").unwrap().always_ask);
    assert!(said("public").unwrap().lifetime.is_zero());
    assert_eq!(
        said("max-age=60, must-understand, no-store").map(|t| t.lifetime.as_secs()),
        Some(60)
    );
    let odd = [("Cache-Control", "max-age=60, must-understand, no-store")];
    assert_eq!(judge(&QUIET, &[], 299, &odd), None);
    let bare = |value| judge(&QUIET, &[], 200, &[("Cache-Control", value)]);
    assert_eq!(bare("no-cache"), None);
    assert_eq!(bare("max-age=0"), None);
    assert!(bare("max-age=0, stale-while-revalidate=5").is_some());
}

#[test]
fn names_in_vary_are_a_set() {
    let names = varied(&fields(&[("vary", "B, a"), ("Vary", "b,,A")])).unwrap();
    assert_eq!(names, ["a", "b"].map(|name| Box::from(name.as_bytes())));
    assert_eq!(varied(&fields(&[("Vary", "a, *")])), None);
    assert_eq!(varied(&Fields::default()), Some(Vec::new()));
}
