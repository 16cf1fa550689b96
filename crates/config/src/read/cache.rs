//! `[cache]`.

use toml::de::DeValue;

use super::reader::{Reader, Section};
use crate::cache::Cache;
use crate::value::{self, Wrong};

pub(super) fn cache(reader: &mut Reader, top: &mut Section<'_>) -> Cache {
    let mut table = reader.table(top, "cache");
    let is_written = table.is_written();
    let section = &mut table;
    let default = Cache::default();
    let cache = Cache {
        // Who writes the table wants it.
        enabled: reader
            .get(section, "enabled", value::boolean)
            .unwrap_or(is_written),
        anonymous: reader
            .get(section, "anonymous", value::duration)
            .filter(|time| !time.is_zero()),
        max_memory: reader
            .get(section, "max_memory", memory)
            .unwrap_or(default.max_memory),
        max_disk: reader
            .get(section, "max_disk", value::size)
            .unwrap_or(default.max_disk),
        max_object: reader
            .get(section, "max_object", value::positive_size)
            .unwrap_or(default.max_object),
        wait: reader
            .get(section, "wait", value::duration)
            .unwrap_or(default.wait),
        stale_if_error: reader
            .get(section, "stale_if_error", value::long_duration)
            .unwrap_or(default.stale_if_error),
    };
    reader.end(table);
    cache
}

/// Less than a megabyte holds no page worth the name.
fn memory(value: &DeValue<'_>) -> Result<u64, Wrong> {
    match value::size(value)? {
        ..1_000_000 => Err(
            Wrong::value("at least 1MB", "this is too little to keep a page in")
                .example("\"64MB\""),
        ),
        size => Ok(size),
    }
}
