//! `$NAME`, `${NAME}`, `${NAME:-default}` and their kin in Compose files, by the Compose specification. Where the
//! values come from is the caller's: `.env`, then the environment.

use std::collections::BTreeMap;

/// A text with its variables replaced, and what was remarkable about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) text: String,
    /// Names that had no value and no default: Compose takes nothing for them.
    pub(crate) missing: Vec<String>,
    /// Messages of `${NAME:?message}` whose name had no value.
    pub(crate) demanded: Vec<(String, String)>,
    /// What cannot be read: `${`, `$-`.
    pub(crate) broken: bool,
}

/// How deep defaults may hold further variables.
const MAX_DEPTH: usize = 16;

pub(crate) fn fill(text: &str, vars: &BTreeMap<String, String>) -> Filled {
    let mut filled = Filled::default();
    let text = expand(text, vars, &mut filled, 0);
    filled.text = text;
    filled
}

fn expand(text: &str, vars: &BTreeMap<String, String>, notes: &mut Filled, depth: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('{') {
            let Some(end) = closing(inner).filter(|_| depth < MAX_DEPTH) else {
                notes.broken = true;
                out.push('$');
                continue;
            };
            out.push_str(&braced(&inner[..end], vars, notes, depth));
            rest = &inner[end + 1..];
        } else {
            let name = &rest[..name_length(rest)];
            if name.is_empty() {
                notes.broken = true;
                out.push('$');
                continue;
            }
            out.push_str(&value(name, vars, notes));
            rest = &rest[name.len()..];
        }
    }
    out + rest
}

/// Where the brace that is open ends.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            '{' if text[..at].ends_with('$') => depth += 1,
            _ => {}
        }
    }
    None
}

fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

fn value(name: &str, vars: &BTreeMap<String, String>, notes: &mut Filled) -> String {
    vars.get(name).cloned().unwrap_or_else(|| {
        notes.missing.push(name.to_owned());
        String::new()
    })
}

fn braced(
    inner: &str,
    vars: &BTreeMap<String, String>,
    notes: &mut Filled,
    depth: usize,
) -> String {
    let (name, rest) = inner.split_at(name_length(inner));
    if name.is_empty() {
        notes.broken = true;
        return format!("${{{inner}}}");
    }
    let set = vars.get(name);
    let filled = set.filter(|value| !value.is_empty());
    let mut other = |word: &str| expand(word, vars, notes, depth + 1);
    if rest.is_empty() {
        return value(name, vars, notes);
    }
    // With the colon an empty value counts as none.
    let (value, word) = match rest.strip_prefix(':') {
        Some(word) => (filled, word),
        None => (set, rest),
    };
    if let Some(word) = word.strip_prefix('-') {
        value.cloned().unwrap_or_else(|| other(word))
    } else if let Some(word) = word.strip_prefix('+') {
        value.map(|_| other(word)).unwrap_or_default()
    } else if let Some(word) = word.strip_prefix('?') {
        value.cloned().unwrap_or_else(|| {
            notes.demanded.push((name.to_owned(), word.to_owned()));
            String::new()
        })
    } else {
        notes.broken = true;
        format!("${{{inner}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vars() -> BTreeMap<String, String> {
        [("A", "1"), ("EMPTY", "")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into()
    }

    #[test]
    fn variables_are_replaced_as_the_specification_says() {
        for (text, is) in [
            ("a$$b", "a$b"),
            ("$A-${A}", "1-1"),
            ("${A:-x}${B:-x}${EMPTY:-x}${EMPTY-x}", "1xx"),
            ("${B:-a${A}c}", "a1c"),
            ("${A:+y}${EMPTY:+y}${EMPTY+y}${B+y}", "yy"),
            ("$$A ${A?no}", "$A 1"),
            ("${EMPTY}", ""),
        ] {
            let filled = fill(text, &vars());
            assert_eq!((filled.text.as_str(), filled.broken), (is, false), "{text}");
        }
    }

    #[test]
    fn what_is_missing_demanded_or_broken_is_told() {
        assert_eq!(fill("$B", &vars()).missing, ["B"]);
        let demanded = fill("${EMPTY:?set it}", &vars()).demanded;
        assert_eq!(demanded, [("EMPTY".to_owned(), "set it".to_owned())]);
        for text in ["${", "$-", "${1}", "${A!x}", "$"] {
            assert!(fill(text, &vars()).broken, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "[${}:?+a-cA-C -]{0,40}") {
            fill(&text, &vars());
        }

        #[test]
        fn a_text_whose_dollars_are_doubled_comes_back(text in "[ -~]{0,30}") {
            prop_assert_eq!(fill(&text.replace('$', "$$"), &vars()).text, text);
        }
    }
}
