//! From text to model: parses, reads section by section (a file each), and hands back everything that is
//! wrong at once, in the order of the lines. When the TOML itself is broken only that is reported: what
//! a parser guesses after an error would make faults that nobody wrote.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::fault::{Fault, Faults, Positions, Source};
use crate::host::Host;
use crate::model::Site;

mod access;
mod app;
mod cache;
mod data;
mod edge;
mod hosts;
mod https;
mod proxy;
mod reader;
mod runtime;
mod top;
mod tune;
mod web;

use reader::Reader;

/// Reads the text of a `hotclub.toml`.
pub(crate) fn site(text: &str, file: &Path) -> Result<Site, Faults> {
    let (mut site, outcome) = document(text, file, top::read)?;
    site.file = Some(file.to_path_buf());
    site.positions = outcome.0;
    site.warnings = outcome.1.split()?;
    Ok(site)
}

/// Reads the text of a `host.toml`.
pub(crate) fn host(text: &str, file: &Path) -> Result<Host, Faults> {
    let read = |reader: &mut Reader, table: &DeTable<'_>| top::host(reader, table, file);
    let (mut host, outcome) = document(text, file, read)?;
    host.positions = outcome.0;
    host.warnings = outcome.1.split()?;
    Ok(host)
}

/// Reads a whole file's text; hands back where each key stands and what was found.
fn document<T>(
    text: &str,
    file: &Path,
    read: impl FnOnce(&mut Reader, &DeTable<'_>) -> T,
) -> Result<(T, (Positions, Faults)), Faults> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(syntax(text, file, &errors));
    }
    let source = Source::masked(file, text, &secrets(text, document.get_ref()));
    let dir = file.parent().unwrap_or(Path::new(""));
    let mut reader = Reader::new(Arc::clone(&source), dir);
    let model = read(&mut reader, document.get_ref());
    let (faults, spans) = reader.finish();
    let source = Some(source);
    Ok((model, (Positions { source, spans }, faults)))
}

fn syntax(text: &str, file: &Path, errors: &[toml::de::Error]) -> Faults {
    let source = Source::masked(file, text, &suspects(text));
    let fault = |error: &toml::de::Error| {
        let span = on_boundaries(text, error.span().unwrap_or(0..0));
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        Fault::at(&source, span, format!("this is not valid TOML: {message}"))
    };
    Faults::from(errors.iter().map(fault).collect::<Vec<_>>())
}

/// A parser may point into or behind a character; a snippet may not.
fn on_boundaries(text: &str, span: Range<usize>) -> Range<usize> {
    let mut start = span.start.min(text.len());
    let mut end = span.end.clamp(start, text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// What no report may show: values of `[env] set`, and the login part of any URL.
fn secrets(text: &str, document: &DeTable<'_>) -> Vec<Range<usize>> {
    let set = document.get("env").and_then(|env| env.get_ref().get("set"));
    let mut ranges = logins(text);
    if let Some(DeValue::Table(variables)) = set.map(|set| set.get_ref()) {
        ranges.extend(variables.values().map(|value| value.span()));
    }
    ranges
}

/// The same for a text that cannot be parsed: rather too much than too little.
fn suspects(text: &str) -> Vec<Range<usize>> {
    let mut ranges = logins(text);
    let (mut at, mut in_env) = (0, false);
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        if trimmed.starts_with('[') {
            in_env = trimmed
                .trim_start_matches(['[', ' ', '\t', '"', '\''])
                .starts_with("env");
        }
        if in_env || trimmed.trim_start_matches(['"', '\'']).starts_with("env") {
            let value = line.find('=').map_or(
                if trimmed.starts_with('[') {
                    line.len()
                } else {
                    0
                },
                |eq| eq + 1,
            );
            ranges.push(at + value..at + line.len());
        }
        at += line.len();
    }
    ranges
}

fn logins(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for (at, _) in text.match_indices("://") {
        let rest = &text[at + 3..];
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\''))
            .unwrap_or(rest.len());
        if let Some(login) = rest[..end].rfind('@') {
            ranges.push(at + 3..at + 3 + login);
        }
    }
    ranges
}
