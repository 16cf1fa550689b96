//! Walks tables and keys: collects faults instead of stopping, remembers where each value stands, and
//! knows which keys were asked for, so that all others are unknown.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::{Fault, Faults, Source};
use crate::value::{self, Wrong};

/// One reading of one file.
pub(super) struct Reader {
    source: Arc<Source>,
    dir: PathBuf,
    faults: Vec<(Range<usize>, Fault)>,
    spans: BTreeMap<String, Range<usize>>,
    known: BTreeMap<String, Vec<&'static str>>,
    unknown: Vec<Unknown>,
}

struct Unknown {
    section: String,
    key: String,
    span: Range<usize>,
}

/// A table being read. `None` inside: the file does not have it, and all its keys are absent.
pub(super) struct Section<'t> {
    /// Dotted, with numbers for entries of a list: `files.0`.
    path: String,
    table: Option<&'t DeTable<'t>>,
    span: Range<usize>,
    asked: Vec<&'static str>,
}

impl Section<'_> {
    /// Whether the file has this table.
    pub(super) fn is_written(&self) -> bool {
        self.table.is_some()
    }

    /// The position key of one of this section's keys.
    pub(super) fn key(&self, key: &str) -> String {
        match self.path.is_empty() {
            true => key.to_owned(),
            false => format!("{}.{key}", self.path),
        }
    }
}

impl Reader {
    pub(super) fn new(source: Arc<Source>, dir: &Path) -> Reader {
        let (spans, known) = (BTreeMap::new(), BTreeMap::new());
        let dir = dir.to_path_buf();
        Reader {
            source,
            dir,
            faults: Vec::new(),
            spans,
            known,
            unknown: Vec::new(),
        }
    }

    /// The folder of the file.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether a key was written, of those read so far.
    pub(super) fn has(&self, key: &str) -> bool {
        self.spans.contains_key(key)
    }

    pub(super) fn root<'t>(&self, table: &'t DeTable<'t>) -> Section<'t> {
        Section {
            path: String::new(),
            table: Some(table),
            span: 0..0,
            asked: Vec::new(),
        }
    }

    /// The value of a key, or nothing: when it is absent, and when it is wrong, which is noted.
    pub(super) fn get<T>(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        kind: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        let value = self.take(section, key)?;
        let subject = format!("`{}`", shown(&section.key(key)));
        self.item(&subject, key, value, &kind)
    }

    /// Like `get`, for keys that an entry cannot do without.
    pub(super) fn require<T>(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        kind: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
        example: &str,
    ) -> Option<T> {
        if section.table.is_some_and(|table| !table.contains_key(key)) {
            let message = format!("`{}` is missing", shown(&section.key(key)));
            let fault = Fault::at(&self.source, section.span.clone(), message);
            self.note(
                section.span.clone(),
                fault.hint(format!("add {key} = {example}")),
            );
        }
        self.get(section, key, kind)
    }

    /// A list; each of its entries is checked, and has a position of its own (`hosts.0`).
    pub(super) fn list<T>(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        example: &str,
        kind: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let value = self.take(section, key)?;
        let path = section.key(key);
        let DeValue::Array(entries) = value.get_ref() else {
            let written = self
                .source
                .text
                .get(value.span())
                .unwrap_or_default()
                .to_owned();
            let single = kind(value.get_ref()).is_ok() && !written.contains('*');
            let example = if single {
                format!("[{written}]")
            } else {
                example.to_owned()
            };
            let wrong = Wrong::kind(value.get_ref(), "a list", &example);
            self.wrong(&path, key, value.span(), wrong);
            return None;
        };
        let subject = format!("every entry of `{}`", shown(&path));
        let mut read = Vec::with_capacity(entries.len());
        for (at, entry) in entries.iter().enumerate() {
            self.spans.insert(format!("{path}.{at}"), entry.span());
            read.push(self.item(&subject, key, entry, &kind));
        }
        read.into_iter().collect()
    }

    /// The value of a key that may be a table or, for all of its keys at once, `true` or `false`; nothing
    /// when it is absent or a table, which `table` reads then.
    pub(super) fn switch(&mut self, section: &mut Section<'_>, key: &'static str) -> Option<bool> {
        match section.table?.get(key)?.get_ref() {
            DeValue::Table(_) => None,
            _ => self.get(section, key, value::boolean).or(Some(true)),
        }
    }

    /// A table of a fixed set of keys: `[app]`.
    pub(super) fn table<'t>(
        &mut self,
        section: &mut Section<'t>,
        key: &'static str,
    ) -> Section<'t> {
        let path = section.key(key);
        let value = self.take(section, key);
        let span = value.map_or(0..0, Spanned::span);
        let table = value.and_then(|value| match value.get_ref() {
            DeValue::Table(table) => Some(table),
            other => {
                let wrong = Wrong::kind(other, "a table", "…")
                    .hint(format!("write [{}] on a line of its own", shown(&path)));
                self.wrong(
                    &path,
                    key,
                    value.span(),
                    Wrong {
                        example: None,
                        ..wrong
                    },
                );
                None
            }
        });
        Section {
            path,
            table,
            span,
            asked: Vec::new(),
        }
    }

    /// A list of tables: `[[files]]`.
    pub(super) fn tables<'t>(
        &mut self,
        section: &mut Section<'t>,
        key: &'static str,
    ) -> Vec<Section<'t>> {
        let Some(value) = self.take(section, key) else {
            return Vec::new();
        };
        let path = section.key(key);
        let entries: &[Spanned<DeValue<'t>>] = match value.get_ref() {
            DeValue::Array(entries) => entries,
            _ => std::slice::from_ref(value),
        };
        let mut sections = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            match (entry.get_ref(), value.get_ref()) {
                (DeValue::Table(table), DeValue::Array(_)) => sections.push(Section {
                    path: format!("{path}.{at}"),
                    table: Some(table),
                    span: entry.span(),
                    asked: Vec::new(),
                }),
                (other, _) => {
                    let wrong = Wrong::kind(other, "a list of tables", "…");
                    let wrong = wrong.hint(format!(
                        "write [[{key}]], with two brackets, before each entry"
                    ));
                    self.wrong(
                        &path,
                        key,
                        entry.span(),
                        Wrong {
                            example: None,
                            ..wrong
                        },
                    );
                }
            }
        }
        sections
    }

    /// A table with keys of the user's own: name, and where name and value stand.
    pub(super) fn free_table<'t>(
        &mut self,
        section: &mut Section<'t>,
        key: &'static str,
    ) -> Vec<(String, Range<usize>, &'t Spanned<DeValue<'t>>)> {
        let inner = self.table(section, key);
        let entries = inner.table.into_iter().flat_map(|table| table.iter());
        let read: Vec<_> = entries
            .map(|(name, value)| (name.get_ref().to_string(), name.span(), value))
            .collect();
        for (name, _, value) in &read {
            self.spans.insert(inner.key(name), value.span());
        }
        read
    }

    /// Ends a section: every key that nobody asked for is unknown.
    pub(super) fn end(&mut self, section: Section<'_>) {
        let unasked = |key: &str| !section.asked.contains(&key);
        for (key, _) in section
            .table
            .into_iter()
            .flatten()
            .filter(|(key, _)| unasked(key.get_ref()))
        {
            let (section, key, span) =
                (shown(&section.path), key.get_ref().to_string(), key.span());
            self.unknown.push(Unknown { section, key, span });
        }
        self.known.insert(shown(&section.path), section.asked);
    }

    /// Notes a fault at a key's value.
    pub(super) fn fault(&mut self, key: &str, message: String, hint: Option<String>) {
        let span = self.spans.get(key).cloned().unwrap_or(0..0);
        let fault = Fault::at(&self.source, span.clone(), message);
        self.note(span, hint.into_iter().fold(fault, Fault::hint));
    }

    /// Notes a doubt at a key's value.
    pub(super) fn warn(&mut self, key: &str, message: String, hint: String) {
        let span = self.spans.get(key).cloned().unwrap_or(0..0);
        let fault = Fault::at(&self.source, span.clone(), message)
            .hint(hint)
            .warning();
        self.note(span, fault);
    }

    /// Notes that two keys collide.
    pub(super) fn collision(&mut self, keys: (&str, &str), message: String, hint: String) {
        let span = |key: &str| self.spans.get(key).cloned().unwrap_or(0..0);
        let (first, second) = (span(keys.0), span(keys.1));
        let fault = Fault::at(&self.source, second.clone(), message);
        let fault = fault
            .also_at(&self.source, first, "the other is here")
            .hint(hint);
        self.note(second, fault);
    }

    pub(super) fn wrong(&mut self, path: &str, key: &str, span: Range<usize>, wrong: Wrong) {
        self.wrong_value(&format!("`{}`", shown(path)), key, span, wrong);
    }

    fn wrong_value(&mut self, subject: &str, key: &str, span: Range<usize>, wrong: Wrong) {
        let message = format!("{subject} must be {}", wrong.expected);
        let mut fault = Fault::at(&self.source, span.clone(), message).labelled(wrong.found);
        if let Some(example) = wrong.example {
            fault = fault.hint(format!("write {key} = {example}"));
        }
        self.note(span, wrong.hints.into_iter().fold(fault, Fault::hint));
    }

    /// All faults in the order of the text, and the positions of all keys.
    pub(super) fn finish(mut self) -> (Faults, BTreeMap<String, Range<usize>>) {
        for unknown in std::mem::take(&mut self.unknown) {
            let fault = self.unknown_key(&unknown);
            self.note(unknown.span, fault);
        }
        self.faults.sort_by_key(|(span, _)| span.start);
        let faults: Vec<Fault> = self.faults.into_iter().map(|(_, fault)| fault).collect();
        (Faults::from(faults), self.spans)
    }

    fn unknown_key(&self, unknown: &Unknown) -> Fault {
        let place = match unknown.section.as_str() {
            "" => "at the top level".to_owned(),
            section => format!("in `{section}`"),
        };
        let message = format!("there is no key `{}` {place}", unknown.key);
        let fault = Fault::at(&self.source, unknown.span.clone(), message);
        let here = self
            .known
            .get(&unknown.section)
            .map_or(&[][..], Vec::as_slice);
        if let Some(nearest) = value::nearest(&unknown.key, here.iter().copied()) {
            return fault.hint(format!("did you mean `{nearest}`?"));
        }
        let elsewhere = self
            .known
            .iter()
            .find(|(_, keys)| keys.contains(&unknown.key.as_str()));
        match elsewhere {
            Some((section, _)) if section.is_empty() => fault.hint(format!(
                "`{}` belongs at the top, before the first [section]",
                unknown.key
            )),
            Some((section, _)) => fault.hint(format!("`{}` belongs in [{section}]", unknown.key)),
            None => fault.hint(format!("the keys here are {}", here.join(", "))),
        }
    }

    fn take<'t>(
        &mut self,
        section: &mut Section<'t>,
        key: &'static str,
    ) -> Option<&'t Spanned<DeValue<'t>>> {
        section.asked.push(key);
        let value = section.table?.get(key)?;
        self.spans.insert(section.key(key), value.span());
        Some(value)
    }

    fn item<T>(
        &mut self,
        subject: &str,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        kind: &impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<T> {
        match kind(value.get_ref()) {
            Ok(read) => Some(read),
            Err(wrong) => {
                self.wrong_value(subject, key, value.span(), wrong);
                None
            }
        }
    }

    fn note(&mut self, span: Range<usize>, fault: Fault) {
        self.faults.push((span, fault));
    }
}

/// `files.0.url` → `files.url`: people count lines, not entries.
fn shown(path: &str) -> String {
    let words = path
        .split('.')
        .filter(|word| word.parse::<usize>().is_err());
    words.collect::<Vec<_>>().join(".")
}
