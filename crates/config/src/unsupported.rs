//! Keys whose meaning is settled but that nothing acts on yet. They parse and are checked, and whoever
//! starts a site says about each, with its line, that it is not supported: silence would be a lie.

use crate::fault::Fault;
use crate::model::Site;

/// One fault for each such key that the site uses.
pub fn unsupported(site: &Site) -> Vec<Fault> {
    let mut all = Vec::new();
    let mut say = |key: &str, what: &str, hint: &str| {
        all.push(
            site.fault_at(key, format!("{what} is not supported yet"))
                .hint(hint),
        );
    };
    if site.app.asgi.is_some() {
        say(
            "app.asgi",
            "an ASGI app",
            "Django serves the same views by WSGI: write wsgi = \"….wsgi:application\"",
        );
    }
    all
}
