//! `[app.tune]`: which of Django's settings are improved on.

use super::reader::{Reader, Section};
use crate::model::Tune;
use crate::value;

pub(super) fn tune(reader: &mut Reader, app: &mut Section<'_>) -> Tune {
    if let Some(all) = reader.switch(app, "tune") {
        return Tune {
            persistent_connections: all,
            cached_templates: all,
        };
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
    };
    reader.end(section);
    tune
}
