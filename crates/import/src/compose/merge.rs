//! Several Compose files as one, by the rules of the Compose specification: tables are merged, lists are joined,
//! other values are replaced, and so are commands; `!reset` and `!override` are obeyed.

use crate::ledger::Place;
use crate::yaml::{Node, Table, Value};

/// A value that a later file put another in the place of.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) place: Place,
    pub(super) path: String,
    pub(super) by: Place,
}

#[derive(Debug, Default)]
pub(super) struct Merged {
    node: Option<Node>,
    replaced: Vec<Replaced>,
}

impl Merged {
    pub(super) fn add(&mut self, node: Node) {
        let node = normal(node, "");
        self.node = match self.node.take() {
            None => Some(node),
            Some(base) => self.over(base, node, ""),
        };
    }

    pub(super) fn finish(mut self) -> (Option<Node>, Vec<Replaced>) {
        let node = self
            .node
            .take()
            .and_then(|node| without_resets(node, &mut self.replaced, ""));
        (node, self.replaced)
    }

    /// `None`: a `!reset`.
    fn over(&mut self, base: Node, over: Node, path: &str) -> Option<Node> {
        match over.tag.as_deref() {
            Some("reset") => {
                self.gone(&base, path, &over.place);
                return None;
            }
            Some("override") => {
                self.gone(&base, path, &over.place);
                return Some(over);
            }
            _ => {}
        }
        let (place, tag) = (over.place.clone(), over.tag.clone());
        let value = match (base.value, over.value) {
            (Value::Table(base), Value::Table(over)) => Value::Table(self.tables(base, over, path)),
            (Value::List(base), Value::List(over)) if !is_replaced(path) => {
                Value::List(self.lists(base, over, path))
            }
            (base_value, Value::Null) if !matches!(base_value, Value::Text(_)) => base_value,
            (base_value, value) => {
                let base = Node {
                    place: base.place,
                    value: base_value,
                    tag: None,
                };
                self.gone(&base, path, &place);
                value
            }
        };
        Some(Node { place, value, tag })
    }

    fn tables(&mut self, base: Table, over: Table, path: &str) -> Table {
        let mut merged = Table {
            entries: Vec::new(),
            merges: [base.merges, over.merges].concat(),
        };
        let mut others = over.entries;
        for (key, node) in base.entries {
            let at = others.iter().position(|(other, _)| *other == key);
            let path = below(path, &key);
            let node = match at {
                Some(at) => self.over(node, others.remove(at).1, &path),
                None => Some(node),
            };
            merged.entries.extend(node.map(|node| (key, node)));
        }
        merged.entries.extend(others);
        merged
    }

    /// Volumes are one for each folder of the container; whatever is the same is there once.
    fn lists(&mut self, base: Vec<Node>, over: Vec<Node>, path: &str) -> Vec<Node> {
        let mut merged = Vec::new();
        let by_target = path.ends_with(".volumes");
        for (at, node) in base.into_iter().enumerate() {
            let same = |other: &&Node| {
                other.value == node.value
                    || (by_target && target(other).is_some() && target(other) == target(&node))
            };
            match over.iter().find(same) {
                Some(other) => self.gone(&node, &format!("{path}[{at}]"), &other.place),
                None => merged.push(node),
            }
        }
        merged.extend(over);
        merged
    }

    fn gone(&mut self, node: &Node, path: &str, by: &Place) {
        self.replaced.push(Replaced {
            place: node.place.clone(),
            path: path.to_owned(),
            by: by.clone(),
        });
    }
}

/// Lists that are one value: a later one takes an earlier one's place.
fn is_replaced(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    matches!(last, "command" | "entrypoint" | "test")
}

/// The folder in the container, of either shape of a volume.
fn target(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => {
            let parts: Vec<&str> = text.split(':').collect();
            parts
                .get(1)
                .or(parts.first())
                .map(|target| target.trim_end_matches('/').to_owned())
        }
        Value::Table(table) => match &table.get("target")?.value {
            Value::Text(target) => Some(target.trim_end_matches('/').to_owned()),
            _ => None,
        },
        _ => None,
    }
}

/// What may be written in two shapes is brought into one, so that files of both can be merged.
fn normal(node: Node, path: &str) -> Node {
    let mut node = node;
    let depth = path.split('.').count();
    let last = path.rsplit('.').next().unwrap_or_default();
    let in_service = path.starts_with("services.") && depth >= 3;
    node.value = match node.value {
        Value::List(list) if in_service && matches!(last, "environment" | "labels" | "args") => {
            Value::Table(pairs(list))
        }
        Value::List(list)
            if in_service && depth == 3 && matches!(last, "depends_on" | "networks") =>
        {
            Value::Table(pairs(list))
        }
        Value::Text(text)
            if in_service && depth == 3 && matches!(last, "env_file" | "dns" | "tmpfs") =>
        {
            let place = node.place.clone();
            Value::List(vec![Node {
                place,
                value: Value::Text(text),
                tag: None,
            }])
        }
        Value::Table(table) => {
            let entries = table.entries.into_iter();
            let entries = entries.map(|(key, node)| {
                let path = below(path, &key);
                (key, normal(node, &path))
            });
            Value::Table(Table {
                entries: entries.collect(),
                merges: table.merges,
            })
        }
        other => other,
    };
    node
}

/// `- KEY=value` and `- KEY` as a table; the last of two with one name wins.
fn pairs(list: Vec<Node>) -> Table {
    let mut table = Table::default();
    for (at, node) in list.into_iter().enumerate() {
        let (name, value) = match node.value {
            Value::Text(text) => match text.split_once('=') {
                Some((name, value)) => (name.trim().to_owned(), Value::Text(value.to_owned())),
                None => (text, Value::Null),
            },
            // Not as it should be: kept under its number, so that it is reported.
            other => (format!("[{at}]"), other),
        };
        table.entries.retain(|(other, _)| *other != name);
        table.entries.push((
            name,
            Node {
                place: node.place,
                value,
                tag: None,
            },
        ));
    }
    table
}

/// A single file may have `!reset`, too.
fn without_resets(node: Node, replaced: &mut Vec<Replaced>, path: &str) -> Option<Node> {
    if node.tag.as_deref() == Some("reset") {
        let by = node.place.clone();
        replaced.push(Replaced {
            place: node.place,
            path: path.to_owned(),
            by,
        });
        return None;
    }
    let value = match node.value {
        Value::Table(table) => {
            let entries = table.entries.into_iter().filter_map(|(key, node)| {
                let path = below(path, &key);
                without_resets(node, replaced, &path).map(|node| (key, node))
            });
            Value::Table(Table {
                entries: entries.collect(),
                merges: table.merges,
            })
        }
        other => other,
    };
    Some(Node { value, ..node })
}

fn below(path: &str, key: &str) -> String {
    match path.is_empty() {
        true => key.to_owned(),
        false => format!("{path}.{key}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;
    use crate::yaml::parse;

    #[test]
    fn later_files_go_over_earlier_ones_and_what_they_replace_is_remembered() {
        let mut merged = Merged::default();
        merged.add(parse("services:\n  web:\n    command: a b\n    image: x\n    environment:\n      - A=1\n      - B=2\n    volumes: ['./a:/x', './b:/y']\n    ports: ['1:1']\n", "one").unwrap());
        merged.add(parse("services:\n  web:\n    command: [c]\n    image: !reset null\n    environment:\n      B: 3\n    volumes: ['./c:/x/']\n    ports: ['1:1', '2:2']\n", "two").unwrap());
        let (node, replaced) = merged.finish();
        let Value::Table(top) = node.unwrap().value else {
            panic!()
        };
        let Value::Table(services) = &top.get("services").unwrap().value else {
            panic!()
        };
        let Value::Table(web) = &services.get("web").unwrap().value else {
            panic!()
        };
        assert!(web.get("image").is_none());
        let Value::Table(env) = &web.get("environment").unwrap().value else {
            panic!()
        };
        assert_eq!(env.get("B").unwrap().value, Value::Text("3".into()));
        assert_eq!(env.entries.len(), 2);
        let Value::List(volumes) = &web.get("volumes").unwrap().value else {
            panic!()
        };
        let Value::List(ports) = &web.get("ports").unwrap().value else {
            panic!()
        };
        assert_eq!((volumes.len(), ports.len()), (2, 2));
        let paths: Vec<&str> = replaced.iter().map(|gone| gone.path.as_str()).collect();
        let of = |key: &str| format!("services.web.{key}");
        assert_eq!(
            paths,
            [
                of("command"),
                of("image"),
                of("environment.B"),
                of("volumes[0]"),
                of("ports[0]")
            ]
        );
    }
}
