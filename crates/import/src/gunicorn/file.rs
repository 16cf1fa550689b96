//! `gunicorn.conf.py`, read and never run: assignments of literals at the top level are settings, everything else
//! is reported as what it is.

use super::{Setting, take};
use crate::draft::Draft;
use crate::ledger::{Id, Ledger, Place};

/// Reads a config file's text; each statement is an entry below `parent`. Returns where it binds.
pub(crate) fn read_file(
    text: &str,
    file: &str,
    parent: Id,
    ledger: &mut Ledger,
    draft: &mut Draft,
) -> Vec<String> {
    let mut bind = Vec::new();
    for statement in statements(text) {
        let place = Place {
            file: file.to_owned(),
            line: statement.line,
        };
        let first = statement.text.lines().next().unwrap_or_default();
        if let Some((name, value)) = assignment(&statement.text) {
            let id = ledger.enter(Some(parent), &place, name.to_owned());
            let value = literal(value);
            if name == "bind" {
                bind.extend(value.texts().into_iter().map(str::to_owned));
            }
            take(name, &value, id, ledger, draft);
            continue;
        }
        let head: String = first
            .split([':', '(', ' '])
            .take(2)
            .collect::<Vec<_>>()
            .join(" ");
        let id = ledger.enter(Some(parent), &place, head);
        if first.starts_with("import ") || first.starts_with("from ") || is_docstring(first) {
            ledger.taken(id, "of itself it sets nothing");
        } else if let Some(name) = first
            .strip_prefix("def ")
            .and_then(|rest| rest.split('(').next())
        {
            take(name, &Setting::Expression, id, ledger, draft);
        } else {
            ledger.open(
                id,
                "this is Python that would have to be run",
                "look what it sets, and write that into hotclub.toml",
            );
        }
    }
    bind
}

fn is_docstring(text: &str) -> bool {
    text.starts_with(['"', '\''])
}

struct Statement {
    line: usize,
    /// With the indented lines below it.
    text: String,
}

/// Logical lines at the top level. Comments are left out, brackets and triple quotes keep a statement together.
fn statements(text: &str) -> Vec<Statement> {
    let mut found: Vec<Statement> = Vec::new();
    let mut open = Open::default();
    for (at, line) in text.lines().enumerate() {
        let continues = open.is_any();
        let kept = open.read(line);
        if kept.trim().is_empty() && !continues {
            continue;
        }
        let indented = line.starts_with([' ', '\t']);
        match found.last_mut() {
            Some(last) if continues || indented => {
                last.text.push('\n');
                last.text.push_str(kept.trim_end());
            }
            _ => found.push(Statement {
                line: at + 1,
                text: kept.trim_end().to_owned(),
            }),
        }
    }
    found
}

/// What is still open at a line's end.
#[derive(Default)]
struct Open {
    brackets: usize,
    /// The triple quote.
    quote: Option<&'static str>,
    backslash: bool,
}

impl Open {
    fn is_any(&self) -> bool {
        self.brackets > 0 || self.quote.is_some() || self.backslash
    }

    /// Follows a line, and gives it back without its comment.
    fn read<'l>(&mut self, line: &'l str) -> &'l str {
        self.backslash = false;
        let mut at = 0;
        let mut short: Option<char> = None;
        while let Some(c) = line[at..].chars().next() {
            let rest = &line[at..];
            if c == '\\' {
                self.backslash = rest.len() == 1;
                at += 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                continue;
            }
            let triple = ["\"\"\"", "'''"]
                .into_iter()
                .find(|quote| rest.starts_with(quote));
            match (self.quote, short, triple) {
                (Some(open), _, Some(quote)) if open == quote => {
                    self.quote = None;
                    at += 3;
                    continue;
                }
                (None, None, Some(quote)) => {
                    self.quote = Some(quote);
                    at += 3;
                    continue;
                }
                _ => {}
            }
            match (self.quote, short, c) {
                (Some(_), ..) => {}
                (None, Some(open), c) if open == c => short = None,
                (None, Some(_), _) => {}
                (None, None, '"' | '\'') => short = Some(c),
                (None, None, '#') => return &line[..at],
                (None, None, '(' | '[' | '{') => self.brackets += 1,
                (None, None, ')' | ']' | '}') => self.brackets = self.brackets.saturating_sub(1),
                _ => {}
            }
            at += c.len_utf8();
        }
        line
    }
}

/// `name = value`, but neither `name == value` nor `name += value`.
fn assignment(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    // An annotation says nothing about the value.
    let name = name.split(':').next().unwrap_or(name).trim();
    let is_name = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    (is_name && !value.starts_with('=')).then_some((name, value.trim()))
}

/// A literal of Python: a text, a number, True, False, None, or a list of texts.
fn literal(text: &str) -> Setting {
    match text {
        "True" => return Setting::Flag(true),
        "False" => return Setting::Flag(false),
        "None" => return Setting::Text(String::new()),
        _ => {}
    }
    let digits = text.replace('_', "");
    if digits.parse::<u64>().is_ok() {
        return Setting::Text(digits);
    }
    if let Some((text, "")) = string(text) {
        return Setting::Text(text);
    }
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .or_else(|| {
            text.strip_prefix('(')
                .and_then(|text| text.strip_suffix(')'))
        });
    match inner.and_then(list) {
        Some(list) => Setting::List(list),
        None => Setting::Expression,
    }
}

fn list(inner: &str) -> Option<Vec<String>> {
    let mut list = Vec::new();
    let mut rest = inner.trim();
    while !rest.is_empty() {
        let (text, after) = string(rest)?;
        list.push(text);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(list)
}

/// A string literal at the start of a text, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    if text.starts_with("\"\"\"") || text.starts_with("'''") {
        return None;
    }
    let mut value = String::new();
    let mut characters = text[1..].char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            c if c == quote => return Some((value, &text[at + 2..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                c @ ('\\' | '"' | '\'') => value.push(c),
                _ => return None,
            },
            '\n' => return None,
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Fate, Item};
    use proptest::prelude::*;

    fn read(text: &str) -> (String, Vec<Item>) {
        let (mut ledger, mut draft) = (Ledger::default(), Draft::default());
        let place = Place {
            file: "gunicorn.conf.py".into(),
            line: 1,
        };
        let parent = ledger.enter(None, &place, "gunicorn.conf.py".into());
        read_file(text, "gunicorn.conf.py", parent, &mut ledger, &mut draft);
        (draft.written(), ledger.close())
    }

    #[test]
    fn literals_are_settings_and_the_rest_is_reported_with_its_line() {
        let (toml, items) = read(
            "import multiprocessing  # for the cores\n\nworkers = multiprocessing.cpu_count() * 2 + 1\nthreads = 4\n\
             timeout = 1_20 # two minutes\nraw_env = [\n  'A=1', # one\n  \"B=x,y\",\n]\naccesslog = '/var/log/a.log'\n\
             def post_fork(server, worker):\n    server.log.info('x')\n\nif True:\n    threads = 9\n",
        );
        for line in [
            "threads = 4",
            "timeout = \"120s\"",
            "set = { A = \"1\", B = \"x,y\" }",
            "access = \"/var/log/a.log\"",
        ] {
            assert!(toml.contains(line), "{toml}");
        }
        let told: Vec<_> = items
            .iter()
            .map(|i| {
                (
                    i.place.as_ref().map_or(0, |p| p.line),
                    i.what.as_str(),
                    i.fate,
                )
            })
            .collect();
        let expected = [
            (1, "import multiprocessing", Fate::Taken),
            (3, "workers", Fate::Mended),
            (4, "threads", Fate::Taken),
            (5, "timeout", Fate::Taken),
            (6, "raw_env", Fate::Taken),
            (10, "accesslog", Fate::Taken),
            (11, "def post_fork", Fate::Unsupported),
            (14, "if True", Fate::Open),
        ];
        assert_eq!(told, expected);
    }

    proptest! {
        #[test]
        fn no_python_is_too_much(text in "[a-c=:#'\"\\\\()\\[\\] \n1,é]{0,60}") {
            read(&text);
        }
    }
}
