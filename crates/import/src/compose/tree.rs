//! A Compose file whose variables are filled in and whose every key is an entry of the ledger.

use std::collections::BTreeMap;

use crate::interpolate;
use crate::ledger::{Id, Ledger, Place};
use crate::yaml::{Node, Value};

#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) id: Id,
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Null,
    Text(String),
    List(Vec<Leaf>),
    Table(Vec<(String, Leaf)>),
}

impl Leaf {
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn entries(&self) -> &[(String, Leaf)] {
        match &self.kind {
            Kind::Table(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn list(&self) -> &[Leaf] {
        match &self.kind {
            Kind::List(list) => list,
            _ => &[],
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Leaf> {
        let mut entries = self.entries().iter();
        entries.find(|(name, _)| name == key).map(|(_, leaf)| leaf)
    }

    pub(crate) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// The texts of a list, or the one text.
    pub(crate) fn texts(&self) -> Vec<&str> {
        match &self.kind {
            Kind::Text(text) => vec![text],
            Kind::List(list) => list.iter().filter_map(Leaf::text).collect(),
            _ => Vec::new(),
        }
    }

    /// Keys of a table, or texts of a list.
    pub(crate) fn names(&self) -> Vec<&str> {
        match &self.kind {
            Kind::Table(entries) => entries.iter().map(|(name, _)| name.as_str()).collect(),
            _ => self.texts(),
        }
    }
}

/// Enters nodes and fills them in.
pub(crate) struct Planter<'a> {
    pub(crate) vars: &'a BTreeMap<String, String>,
    pub(crate) ledger: &'a mut Ledger,
}

impl Planter<'_> {
    /// The document itself is no key, and has an entry for form's sake.
    pub(crate) fn plant(mut self, node: Node) -> Leaf {
        let place = node.place.clone();
        let id = self.ledger.enter(None, &place, String::new());
        let kind = self.kind(node.value, id, "", &place);
        if matches!(kind, Kind::Null | Kind::Text(_)) {
            self.ledger
                .open(id, "this is no table of keys", "name a Compose file");
        }
        Leaf { id, place, kind }
    }

    fn leaf(&mut self, node: Node, parent: Id, path: &str) -> Leaf {
        let id = self
            .ledger
            .enter(Some(parent), &node.place, path.to_owned());
        let kind = self.kind(node.value, id, path, &node.place);
        Leaf {
            id,
            place: node.place,
            kind,
        }
    }

    fn kind(&mut self, value: Value, id: Id, path: &str, place: &Place) -> Kind {
        match value {
            Value::Null => Kind::Null,
            Value::Text(text) => Kind::Text(self.filled(&text, id, path)),
            Value::List(list) => {
                let numbered = list.into_iter().enumerate();
                Kind::List(
                    numbered
                        .map(|(at, node)| self.leaf(node, id, &format!("{path}[{at}]")))
                        .collect(),
                )
            }
            Value::Table(table) => {
                for merge in &table.merges {
                    let at = Place {
                        file: place.file.clone(),
                        line: merge.line,
                    };
                    let merged = self.ledger.enter(Some(id), &at, below(path, "<<"));
                    self.ledger.taken(merged, "merged in");
                }
                let entries = table.entries.into_iter();
                Kind::Table(
                    entries
                        .map(|(key, node)| {
                            let path = below(path, &key);
                            (key, self.leaf(node, id, &path))
                        })
                        .collect(),
                )
            }
        }
    }

    fn filled(&mut self, text: &str, id: Id, path: &str) -> String {
        // Extensions are filled in where they are merged in.
        if !text.contains('$') || path.starts_with("x-") {
            return text.to_owned();
        }
        let filled = interpolate::fill(text, self.vars);
        for name in &filled.missing {
            self.ledger.open(
                id,
                format!("the variable {name} has no value: it counts as empty, as with Compose"),
                format!("set {name} in .env beside the file, or give it to hotclub import: {name}=… hotclub import …"),
            );
        }
        for (name, message) in &filled.demanded {
            let hint = match message.trim() {
                "" => format!("set {name} in .env beside the file"),
                message => format!("set {name} in .env beside the file ({message})"),
            };
            self.ledger.open(
                id,
                format!("the variable {name} is demanded and has no value"),
                hint,
            );
        }
        if filled.broken {
            self.ledger.open(
                id,
                "a `$` here is followed by what is no variable",
                "write $$ for a dollar",
            );
        }
        filled.text
    }
}

fn below(path: &str, key: &str) -> String {
    match path.is_empty() {
        true => key.to_owned(),
        false => format!("{path}.{key}"),
    }
}
