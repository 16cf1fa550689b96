//! Env files of an export, in the grammar that Compose, systemd and we read alike.

use std::collections::BTreeMap;

/// One line each. Single quotes keep everything as it is; a value that holds one is escaped in double quotes.
pub(super) fn file(vars: &BTreeMap<String, String>) -> String {
    vars.iter()
        .map(|(name, value)| format!("{name}={}\n", quoted(value)))
        .collect()
}

fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    if !value.contains(['\'', '\n']) {
        return format!("'{value}'");
    }
    let escaped = value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('$', "\\$")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}
