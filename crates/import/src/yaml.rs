//! YAML as a tree with lines: anchors and merge keys (`<<`) are resolved here, scalars stay text. The grammar is
//! saphyr-parser's; this file holds the limits, because a file from elsewhere may be made to grow.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use thiserror::Error;

use crate::ledger::Place;

/// Nodes of one file, with aliases written out.
const MAX_NODES: usize = 100_000;
/// How deep lists and tables may be nested.
const MAX_DEPTH: usize = 64;

#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum YamlError {
    #[error("{}:{}: {reason}", place.file, place.line)]
    At { place: Place, reason: String },
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
    /// `!reset`, `!override`.
    pub(crate) tag: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Text(String),
    List(Vec<Node>),
    Table(Table),
}

/// Keys in their order, each once.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<(String, Node)>,
    /// Where a `<<` stood.
    pub(crate) merges: Vec<Place>,
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let mut entries = self.entries.iter();
        entries.find(|(name, _)| name == key).map(|(_, node)| node)
    }
}

/// Reads a file with one document.
pub(crate) fn parse(text: &str, file: &str) -> Result<Node, YamlError> {
    let mut loader = Loader {
        file,
        anchors: HashMap::new(),
        budget: MAX_NODES,
    };
    let mut events = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut document = None;
    while let Some(event) = events.next_event() {
        let (event, span) = event.map_err(|error| {
            let place = loader.place_of_line(error.marker().line());
            YamlError::At {
                place,
                reason: error.info().to_owned(),
            }
        })?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => break,
            event if document.is_none() => {
                document = Some(loader.node(event, span, &mut events, 0)?);
            }
            _ => return Err(loader.fault(span, "a second document begins here: split the file")),
        }
    }
    let place = loader.place_of_line(1);
    Ok(document.unwrap_or(Node {
        place,
        value: Value::Null,
        tag: None,
    }))
}

struct Loader<'f> {
    file: &'f str,
    anchors: HashMap<usize, Node>,
    budget: usize,
}

type Events<'t> = Parser<'t, saphyr_parser::StrInput<'t>>;

impl Loader<'_> {
    fn place_of_line(&self, line: usize) -> Place {
        Place {
            file: self.file.to_owned(),
            line: line.max(1),
        }
    }

    fn fault(&self, span: Span, reason: &str) -> YamlError {
        let place = self.place_of_line(span.start.line());
        YamlError::At {
            place,
            reason: reason.to_owned(),
        }
    }

    fn spend(&mut self, nodes: usize, span: Span) -> Result<(), YamlError> {
        self.budget = self
            .budget
            .checked_sub(nodes)
            .ok_or_else(|| self.fault(span, "this grows beyond all measure"))?;
        Ok(())
    }

    fn next<'t>(
        &self,
        events: &mut Events<'t>,
        span: Span,
    ) -> Result<(Event<'t>, Span), YamlError> {
        match events.next_event() {
            Some(Ok(found)) => Ok(found),
            Some(Err(error)) => {
                let place = self.place_of_line(error.marker().line());
                Err(YamlError::At {
                    place,
                    reason: error.info().to_owned(),
                })
            }
            None => Err(self.fault(span, "the file ends too early")),
        }
    }

    fn node<'t>(
        &mut self,
        event: Event<'t>,
        span: Span,
        events: &mut Events<'t>,
        depth: usize,
    ) -> Result<Node, YamlError> {
        self.spend(1, span)?;
        if depth > MAX_DEPTH {
            return Err(self.fault(span, "this is nested too deep"));
        }
        let place = self.place_of_line(span.start.line());
        let (value, anchor, tag) = match event {
            Event::Alias(anchor) => return self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                (scalar(&text, style, tag.as_deref()), anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (self.list(events, span, depth)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.table(events, span, depth)?, anchor, tag),
            _ => return Err(self.fault(span, "this is no value")),
        };
        let tag = tag
            .filter(|tag| tag.handle == "!")
            .map(|tag| tag.suffix.clone());
        let node = Node { place, value, tag };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Node, YamlError> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(self.fault(span, "this alias stands within what it names"));
        };
        self.spend(size(&node), span)?;
        Ok(node)
    }

    fn list(
        &mut self,
        events: &mut Events<'_>,
        span: Span,
        depth: usize,
    ) -> Result<Value, YamlError> {
        let mut list = Vec::new();
        loop {
            match self.next(events, span)? {
                (Event::SequenceEnd, _) => return Ok(Value::List(list)),
                (event, span) => list.push(self.node(event, span, events, depth + 1)?),
            }
        }
    }

    fn table(
        &mut self,
        events: &mut Events<'_>,
        span: Span,
        depth: usize,
    ) -> Result<Value, YamlError> {
        let mut table = Table::default();
        let mut merged = Vec::new();
        loop {
            let (event, key_span) = self.next(events, span)?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, key_span, events, depth + 1)?;
            let (event, span) = self.next(events, key_span)?;
            let mut node = self.node(event, span, events, depth + 1)?;
            let key = match key.value {
                Value::Text(key) => key,
                Value::Null => "null".to_owned(),
                _ => return Err(self.fault(key_span, "a key must be a text")),
            };
            if key == "<<" {
                table.merges.push(self.place_of_line(key_span.start.line()));
                merged.push(node);
                continue;
            }
            if table.get(&key).is_some() {
                return Err(self.fault(key_span, &format!("`{key}` stands here twice")));
            }
            // A key's own line says more than its value's, which may be on the next, or at an anchor.
            if node.place.line > key_span.start.line() {
                node.place = self.place_of_line(key_span.start.line());
            }
            table.entries.push((key, node));
        }
        for node in merged {
            self.merge(&mut table, node, span)?;
        }
        Ok(Value::Table(table))
    }

    /// What is written in the table goes before what is merged in, and an earlier table before a later.
    fn merge(&self, table: &mut Table, node: Node, span: Span) -> Result<(), YamlError> {
        match node.value {
            Value::Table(other) => {
                for (key, node) in other.entries {
                    if table.get(&key).is_none() {
                        table.entries.push((key, node));
                    }
                }
                Ok(())
            }
            Value::List(tables) => tables
                .into_iter()
                .try_for_each(|other| self.merge(table, other, span)),
            Value::Null => Ok(()),
            Value::Text(_) => Err(self.fault(span, "`<<` takes a table, or a list of tables")),
        }
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
    let plain = style == ScalarStyle::Plain && !is_text;
    match text {
        "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
        text => Value::Text(text.to_owned()),
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Null | Value::Text(_) => 0,
        Value::List(list) => list.iter().map(size).sum(),
        Value::Table(table) => table.entries.iter().map(|(_, node)| size(node)).sum(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        match parse(text, "f.yml").unwrap().value {
            Value::Table(table) => table,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn anchors_and_merge_keys_are_resolved_and_lines_stay() {
        let top = table("a: &base\n  x: 1\n  y: 2\nb:\n  <<: *base\n  y: 3\nc: *base\n");
        let Value::Table(b) = &top.get("b").unwrap().value else {
            panic!()
        };
        assert_eq!(b.get("y").unwrap().value, Value::Text("3".into()));
        assert_eq!(b.get("x").unwrap().place.line, 2);
        assert_eq!(b.merges[0].line, 5);
        assert!(matches!(&top.get("c").unwrap().value, Value::Table(c) if c.entries.len() == 2));
    }

    #[test]
    fn nothing_and_quoted_nothing_differ_and_numbers_stay_as_they_are_written() {
        let top = table("a:\nb: ''\nc: ~\nd: 3.10\ne: '~'\n");
        let value = |key| top.get(key).unwrap().value.clone();
        assert_eq!((value("a"), value("c")), (Value::Null, Value::Null));
        assert_eq!(value("b"), Value::Text(String::new()));
        assert_eq!(value("d"), Value::Text("3.10".into()));
        assert_eq!(value("e"), Value::Text("~".into()));
    }

    #[test]
    fn a_file_that_grows_beyond_all_measure_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = level - 1;
            let aliases = vec![format!("*a{below}"); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        let YamlError::At { reason, .. } = parse(&text, "f").unwrap_err();
        assert!(reason.contains("beyond all measure"), "{reason}");
        let deep = "[".repeat(5000);
        assert!(parse(&deep, "f").is_err());
    }

    #[test]
    fn faults_name_their_line() {
        for (text, line) in [
            ("a: 1\na: 2\n", 2),
            ("a: [1\nb: 2\n", 2),
            ("a: 1\n---\nb: 2\n", 3),
        ] {
            let YamlError::At { place, .. } = parse(text, "f").unwrap_err();
            assert_eq!(place.line, line, "{text}");
        }
    }
}
