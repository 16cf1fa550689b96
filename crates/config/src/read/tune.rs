//! `[app.tune]`: which of Django's settings are improved on.

use super::reader::{Reader, Section};
use crate::model::Tune;
use crate::value;

pub(super) fn tune(reader: &mut Reader, app: &mut Section<'_>) -> Tune {
    if let Some(all) = reader.switch(app, "tune") {
        return Tune::all(all);
    }
    let mut section = reader.table(app, "tune");
    let default = Tune::default();
    let mut part = |key, default| {
        reader
            .get(&mut section, key, value::boolean)
            .unwrap_or(default)
    };
    let tune = Tune {
        persistent_connections: part("persistent_connections", default.persistent_connections),
        cached_templates: part("cached_templates", default.cached_templates),
        gc: part("gc", default.gc),
        idle_gzip: part("idle_gzip", default.idle_gzip),
        idle_whitenoise: part("idle_whitenoise", default.idle_whitenoise),
        shared_cache: part("shared_cache", default.shared_cache),
    };
    reader.end(section);
    tune
}
