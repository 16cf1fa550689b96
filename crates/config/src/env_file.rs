//! Env files: `KEY=value` lines, by one written grammar. They are data, never shell.
//!
//! ```text
//! file     = [BOM] { line end-of-line }          end-of-line is LF or CRLF
//! line     = blanks | blanks "#" anything | [ "export" blanks ] key "=" value
//! key      = letter or "_", then letters, digits, "_"          (ASCII; blanks around it are ignored)
//! value    = unquoted | "'" anything "'" | '"' anything-or-escape '"'
//! ```
//!
//! - An **unquoted** value reaches to the end of its line and loses the blanks around it. Everything in it
//!   is data: spaces, `*`, `#`, quotes that are not at its start, backslashes. A `#` behind a blank is
//!   kept too, with a warning, because other readers cut there.
//! - In **single** quotes every character stands for itself, line breaks included.
//! - In **double** quotes `\n` `\t` `\r` `\"` `\\` `\$` are escapes; any other backslash stays. Line breaks are
//!   allowed.
//! - `$` is literal everywhere: nothing is expanded. `${NAME}` gives a warning outside single quotes.
//! - Behind a closing quote only blanks and a comment may follow.
//! - CRLF inside quotes is read as LF. A name that comes twice: the last one wins, with a warning.
//! - A file is read whole or not at all: any fault refuses it. No report shows a value.

use std::ops::Range;
use std::path::Path;

use crate::Secret;
use crate::fault::{Fault, Faults, Source};

/// What a file says, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvFile {
    pub entries: Vec<Entry>,
    pub warnings: Faults,
}

/// One `KEY=value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub name: String,
    pub value: Secret,
    /// From 1: where the key stands.
    pub line: usize,
}

/// Whether a text can name a variable.
pub fn is_name(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Writes a value such that `parse` reads the same text back. (NUL cannot be written.)
pub fn quote(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=*".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    let mut written = String::from("\"");
    for character in value.chars() {
        match character {
            '\n' => written.push_str("\\n"),
            '\t' => written.push_str("\\t"),
            '\r' => written.push_str("\\r"),
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            other => written.push(other),
        }
    }
    written + "\""
}

/// Reads a file's text; `path` is for reports.
pub fn parse(text: &str, path: &Path) -> Result<EnvFile, Faults> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reading = Reading {
        text,
        at: 0,
        line: 1,
        entries: Vec::new(),
        secret: Vec::new(),
        notes: Vec::new(),
    };
    while reading.at < text.len() {
        reading.line();
    }
    reading.repeated();
    let source = Source::masked(path, text, &reading.secret);
    reading.notes.sort_by_key(|note| note.span.start);
    let fault = |note: Note| {
        let fault = Fault::at(&source, note.span, note.message.to_owned()).hint(note.hint);
        if note.stops { fault } else { fault.warning() }
    };
    let notes: Vec<Fault> = reading.notes.into_iter().map(fault).collect();
    let entries = reading
        .entries
        .into_iter()
        .map(|(entry, _)| entry)
        .collect();
    Ok(EnvFile {
        entries,
        warnings: Faults::from(notes).split()?,
    })
}

struct Reading<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    entries: Vec<(Entry, Range<usize>)>,
    secret: Vec<Range<usize>>,
    notes: Vec<Note>,
}

struct Note {
    span: Range<usize>,
    message: &'static str,
    hint: &'static str,
    stops: bool,
}

impl Reading<'_> {
    fn line(&mut self) {
        let start = self.at;
        let end = self.end_of_line(start);
        let line = self.text[start..end].trim_end_matches('\r');
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return self.go_to(end + 1);
        }
        let Some(equals) = line.find('=') else {
            return self.refuse_line(start..start + line.len());
        };
        let key = line[..equals].trim();
        let key = key
            .strip_prefix("export")
            .filter(|rest| rest.starts_with([' ', '\t']))
            .map_or(key, str::trim);
        let key_start = start + line[..equals].rfind(key).unwrap_or(0);
        let (span, number) = (key_start..key_start + key.len(), self.line);
        if !is_name(key) {
            // The rest of a broken multi-line value looks like this, too: it is not shown either.
            self.secret.push(start..end);
            let hint = "a name is letters, digits and `_`, and does not begin with a digit";
            self.fault(span, "this is no variable's name", hint);
            return self.go_to(end + 1);
        }
        if let Some(value) = self.value(start + equals + 1, end) {
            let entry = Entry {
                name: key.to_owned(),
                value: Secret::from(value),
                line: number,
            };
            self.entries.push((entry, span));
        }
    }

    /// Reads from behind the `=` and moves to the next line.
    fn value(&mut self, start: usize, end: usize) -> Option<String> {
        let rest = &self.text[start..end];
        let at = start + (rest.len() - rest.trim_start_matches([' ', '\t']).len());
        match self.text[at..end].chars().next() {
            Some(quote @ ('\'' | '"')) => self.quoted(at, quote),
            _ => self.unquoted(at, end),
        }
    }

    fn unquoted(&mut self, start: usize, end: usize) -> Option<String> {
        let value = self.text[start..end].trim_end();
        let span = start..start + value.len();
        self.secret.push(span.clone());
        self.go_to(end + 1);
        self.refuse_nul(value, start)?;
        if let Some(at) = value.find(" #").or_else(|| value.find("\t#")) {
            let hint =
                "put a comment on a line of its own; if the `#` is data, put the value in quotes";
            self.warn(
                start + at + 1..span.end,
                "this `#` and what follows it are part of the value",
                hint,
            );
        }
        self.note_expansion(value, start);
        Some(value.to_owned())
    }

    fn quoted(&mut self, start: usize, quote: char) -> Option<String> {
        let Some(close) = self.closing(start + 1, quote) else {
            self.secret.push(start + 1..self.text.len());
            let hint = "close the quote; a line break inside quotes is part of the value";
            self.fault(start..start + 1, "this quote is never closed", hint);
            self.go_to(self.text.len());
            return None;
        };
        let inner = &self.text[start + 1..close];
        self.secret.push(start + 1..close);
        let end = self.end_of_line(close);
        let rest = self.text[close + 1..end].trim();
        self.go_to(end + 1);
        if !rest.is_empty() && !rest.starts_with('#') {
            self.secret.push(close + 1..end);
            let hint = "put the whole value in one pair of quotes; write a quote inside it as \\\"";
            self.fault(close..close + 1, "text follows this closing quote", hint);
            return None;
        }
        self.refuse_nul(inner, start + 1)?;
        let inner = inner.replace("\r\n", "\n");
        if quote == '\'' {
            return Some(inner);
        }
        self.note_expansion(&self.text[start + 1..close], start + 1);
        Some(unescaped(&inner))
    }

    /// Where the quote closes.
    fn closing(&self, from: usize, quote: char) -> Option<usize> {
        let mut escaped = false;
        for (at, character) in self.text[from..].char_indices() {
            match character {
                _ if escaped => escaped = false,
                '\\' if quote == '"' => escaped = true,
                _ if character == quote => return Some(from + at),
                _ => {}
            }
        }
        None
    }

    fn refuse_line(&mut self, span: Range<usize>) {
        self.secret.push(span.clone());
        self.fault(
            span.clone(),
            "this line is not KEY=value",
            "write KEY=value, or begin a comment with `#`",
        );
        let end = self.end_of_line(span.start);
        self.go_to(end + 1);
    }

    fn refuse_nul(&mut self, value: &str, start: usize) -> Option<()> {
        let Some(at) = value.find('\0') else {
            return Some(());
        };
        let hint = "a process cannot be given such a value: remove the character";
        self.fault(
            start + at..start + at + 1,
            "this value holds a NUL character",
            hint,
        );
        None
    }

    fn note_expansion(&mut self, value: &str, start: usize) {
        let reference = value.match_indices("${").find_map(|(at, _)| {
            let name_end = value[at..].find('}')?;
            is_name(&value[at + 2..at + name_end]).then_some(at..at + name_end + 1)
        });
        if let Some(span) = reference {
            let hint = "write the value itself; in single quotes this is taken as meant";
            self.warn(
                start + span.start..start + span.end,
                "this is not expanded: `$` is literal",
                hint,
            );
        }
    }

    fn repeated(&mut self) {
        let mut last = std::collections::BTreeMap::new();
        let mut spans = Vec::new();
        for (entry, span) in &self.entries {
            if let Some(earlier) = last.insert(entry.name.as_str(), span.clone()) {
                spans.push(earlier);
            }
        }
        for span in spans {
            self.warn(
                span,
                "this is set again below, and the last one wins",
                "remove one of them",
            );
        }
    }

    fn fault(&mut self, span: Range<usize>, message: &'static str, hint: &'static str) {
        self.notes.push(Note {
            span,
            message,
            hint,
            stops: true,
        });
    }

    fn warn(&mut self, span: Range<usize>, message: &'static str, hint: &'static str) {
        self.notes.push(Note {
            span,
            message,
            hint,
            stops: false,
        });
    }

    fn end_of_line(&self, from: usize) -> usize {
        self.text[from..]
            .find('\n')
            .map_or(self.text.len(), |at| from + at)
    }

    fn go_to(&mut self, at: usize) {
        let at = at.min(self.text.len());
        self.line += self.text[self.at..at].matches('\n').count();
        self.at = at;
    }
}

fn unescaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            value.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => value.push('\n'),
            Some('t') => value.push('\t'),
            Some('r') => value.push('\r'),
            Some(itself @ ('"' | '\\' | '$')) => value.push(itself),
            Some(other) => value.extend(['\\', other]),
            None => value.push('\\'),
        }
    }
    value
}
