//! What becomes of each key and directive of the input. A reader enters everything that it reads before anybody
//! looks at it, and whoever understands an entry gives its verdict. What has none at the end is reported all the
//! same: so nothing can be dropped silently.

use serde::Serialize;

/// Where something stands: a file as the user named it, and a line from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    pub file: String,
    pub line: usize,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is in `hotclub.toml`, or Hotclub does it without being told.
    Taken,
    /// It was a fault, and is better now.
    Mended,
    /// Somebody has to answer first: a placeholder, a file that is not there.
    Open,
    /// Hotclub does not do this; the hint says what to do instead.
    Unsupported,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    pub fate: Fate,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The key's path, or the directive with the blocks around it; never a value that may be secret.
    pub what: String,
    pub said: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// An entry's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(usize);

#[derive(Debug)]
struct Entry {
    parent: Option<Id>,
    place: Place,
    what: String,
    verdicts: Vec<Verdict>,
}

#[derive(Debug)]
struct Verdict {
    fate: Fate,
    said: String,
    hint: Option<String>,
}

/// The entries of all inputs.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    notes: Vec<Item>,
}

impl Ledger {
    pub(crate) fn enter(&mut self, parent: Option<Id>, place: &Place, what: String) -> Id {
        self.entries.push(Entry {
            parent,
            place: place.clone(),
            what,
            verdicts: Vec::new(),
        });
        Id(self.entries.len() - 1)
    }

    /// A verdict holds for everything below the entry that has none of its own.
    fn judge(&mut self, id: Id, fate: Fate, said: impl Into<String>, hint: Option<String>) {
        let said = said.into();
        if let Some(entry) = self.entries.get_mut(id.0)
            && !entry.verdicts.iter().any(|verdict| verdict.said == said)
        {
            entry.verdicts.push(Verdict { fate, said, hint });
        }
    }

    pub(crate) fn is_judged(&self, id: Id) -> bool {
        self.entries
            .get(id.0)
            .is_some_and(|entry| !entry.verdicts.is_empty())
    }

    pub(crate) fn taken(&mut self, id: Id, said: impl Into<String>) {
        self.judge(id, Fate::Taken, said, None);
    }

    pub(crate) fn mended(&mut self, id: Id, said: impl Into<String>) {
        self.judge(id, Fate::Mended, said, None);
    }

    pub(crate) fn open(&mut self, id: Id, said: impl Into<String>, hint: impl Into<String>) {
        self.judge(id, Fate::Open, said, Some(hint.into()));
    }

    pub(crate) fn unsupported(&mut self, id: Id, said: impl Into<String>, hint: impl Into<String>) {
        self.judge(id, Fate::Unsupported, said, Some(hint.into()));
    }

    /// Something that stands nowhere, because it is missing.
    pub(crate) fn note(
        &mut self,
        fate: Fate,
        what: &str,
        said: impl Into<String>,
        hint: Option<String>,
    ) {
        let (what, said) = (what.to_owned(), said.into());
        self.notes.push(Item {
            fate,
            place: None,
            what,
            said,
            hint,
        });
    }

    /// Every verdict in the order of the input, then what nobody judged, then the notes.
    pub(crate) fn close(self) -> Vec<Item> {
        let mut judged: Vec<bool> = Vec::with_capacity(self.entries.len());
        let mut has_children = vec![false; self.entries.len()];
        for entry in &self.entries {
            // A parent is entered before its children.
            let above = entry.parent.is_some_and(|parent| judged[parent.0]);
            judged.push(above || !entry.verdicts.is_empty());
            if let Some(parent) = entry.parent {
                has_children[parent.0] = true;
            }
        }
        let mut items = Vec::new();
        for (at, entry) in self.entries.into_iter().enumerate() {
            let forgotten = !judged[at] && !has_children[at];
            let rest = forgotten.then(|| Verdict {
                fate: Fate::Unsupported,
                said: "Hotclub does not know this".to_owned(),
                hint: Some("look whether the site needs it, and do it by other means".to_owned()),
            });
            items.extend(entry.verdicts.into_iter().chain(rest).map(|verdict| Item {
                fate: verdict.fate,
                place: Some(entry.place.clone()),
                what: entry.what.clone(),
                said: verdict.said,
                hint: verdict.hint,
            }));
        }
        items.extend(self.notes);
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_judged_is_reported_and_a_verdict_holds_for_all_below() {
        let mut ledger = Ledger::default();
        let place = Place {
            file: "a".into(),
            line: 1,
        };
        let top = ledger.enter(None, &place, "top".into());
        let known = ledger.enter(Some(top), &place, "top.known".into());
        ledger.enter(Some(known), &place, "top.known.leaf".into());
        ledger.enter(Some(top), &place, "top.other".into());
        ledger.taken(known, "done");
        let items = ledger.close();
        let told: Vec<_> = items
            .iter()
            .map(|item| (item.what.as_str(), item.fate))
            .collect();
        assert_eq!(
            told,
            [("top.known", Fate::Taken), ("top.other", Fate::Unsupported)]
        );
    }
}
