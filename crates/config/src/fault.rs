//! What is wrong, where, and what to do: a fault, a list of them, and how they look. Nothing here
//! knows a key of `hotclub.toml`; what counts as a fault is decided by the readers.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A file's text as it may be shown: values that are secret are already starred out, byte for byte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    /// Stars out `secret` ranges. The length in bytes stays, and so do all spans and lines.
    pub(crate) fn masked(path: &Path, text: &str, secret: &[Range<usize>]) -> Arc<Source> {
        let hidden = |at: usize| secret.iter().any(|range| range.contains(&at));
        let mut shown = String::with_capacity(text.len());
        for (at, character) in text.char_indices() {
            if hidden(at) && !matches!(character, '\n' | '\r') {
                shown.extend(std::iter::repeat_n('*', character.len_utf8()));
            } else {
                shown.push(character);
            }
        }
        Arc::new(Source {
            path: path.to_path_buf(),
            text: shown,
        })
    }
}

/// Whether a fault stops the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

/// One thing that is wrong, with its place and with advice.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub severity: Severity,
    pub message: String,
    pub hints: Vec<String>,
    marks: Vec<Mark>,
}

#[derive(Debug, Clone, PartialEq)]
struct Mark {
    source: Arc<Source>,
    span: Range<usize>,
    label: Option<String>,
}

impl Fault {
    /// A fault that has no line: a file that cannot be read.
    pub fn without_place(message: impl Into<String>) -> Fault {
        let message = message.into();
        Fault {
            severity: Severity::Error,
            message,
            hints: Vec::new(),
            marks: Vec::new(),
        }
    }

    pub(crate) fn at(source: &Arc<Source>, span: Range<usize>, message: String) -> Fault {
        let mark = Mark {
            source: Arc::clone(source),
            span,
            label: None,
        };
        Fault {
            severity: Severity::Error,
            message,
            hints: Vec::new(),
            marks: vec![mark],
        }
    }

    /// Marks a second place in the same report: the other one of two that collide.
    pub(crate) fn also_at(
        mut self,
        source: &Arc<Source>,
        span: Range<usize>,
        label: &str,
    ) -> Fault {
        let label = Some(label.to_owned());
        self.marks.push(Mark {
            source: Arc::clone(source),
            span,
            label,
        });
        self
    }

    /// Marks a key of another file in the same report.
    #[must_use]
    pub(crate) fn and_there(self, positions: &Positions, key: &str, label: &str) -> Fault {
        match (&positions.source, positions.spans.get(key)) {
            (Some(source), Some(span)) => self.also_at(source, span.clone(), label),
            _ => self,
        }
    }

    /// Says beside the caret what was found there.
    #[must_use]
    pub(crate) fn labelled(mut self, label: String) -> Fault {
        if let Some(mark) = self.marks.first_mut() {
            mark.label = Some(label);
        }
        self
    }

    /// Adds a line of advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hints.push(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn warning(mut self) -> Fault {
        self.severity = Severity::Warning;
        self
    }

    /// The file, and the line and column from 1 (columns count characters).
    pub fn place(&self) -> Option<(&Path, usize, usize)> {
        let mark = self.marks.first()?;
        let before = mark.source.text.get(..mark.span.start)?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        Some((
            &mark.source.path,
            line,
            before[line_start..].chars().count() + 1,
        ))
    }

    fn render(&self, renderer: &Renderer) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()));
        for source in self.sources() {
            group = group.element(self.snippet(source));
        }
        for hint in &self.hints {
            group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
        }
        renderer.render(&[group])
    }

    fn sources(&self) -> Vec<&Arc<Source>> {
        let mut sources: Vec<&Arc<Source>> = Vec::new();
        for mark in &self.marks {
            if !sources.iter().any(|seen| Arc::ptr_eq(seen, &mark.source)) {
                sources.push(&mark.source);
            }
        }
        sources
    }

    fn snippet<'a>(
        &'a self,
        source: &'a Arc<Source>,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let of_source = |mark: &&(usize, &'a Mark)| Arc::ptr_eq(&mark.1.source, source);
        let numbered: Vec<(usize, &Mark)> = self.marks.iter().enumerate().collect();
        let annotations = numbered.iter().filter(of_source).map(|(at, mark)| {
            let kind = if *at == 0 {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            let annotation = kind.span(mark.span.clone());
            match &mark.label {
                Some(label) => annotation.label(label.as_str()),
                None => annotation,
            }
        });
        let path = source.path.to_string_lossy();
        Snippet::source(source.text.as_str())
            .path(path)
            .annotations(annotations)
    }
}

/// All faults of one reading, in the order of the files and lines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// The faults one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one; for stages that look at what this crate may not (folders, modules, ports).
    pub fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Adds all of another list.
    pub fn extend(&mut self, others: Faults) {
        self.0.extend(others.0);
    }

    /// The whole report, with colours when a terminal reads it.
    pub fn render(&self, colours: bool) -> String {
        let renderer = if colours {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let reports: Vec<String> = self.0.iter().map(|fault| fault.render(&renderer)).collect();
        reports.join("\n\n")
    }

    /// The faults, when there is one that stops; otherwise the warnings.
    pub(crate) fn split(self) -> Result<Faults, Faults> {
        match self.0.iter().any(|fault| fault.severity == Severity::Error) {
            true => Err(self),
            false => Ok(self),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Faults {}

impl From<Vec<Fault>> for Faults {
    fn from(faults: Vec<Fault>) -> Self {
        Faults(faults)
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Where each key's value stands, so that later stages can point at it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Positions {
    pub(crate) source: Option<Arc<Source>>,
    pub(crate) spans: BTreeMap<String, Range<usize>>,
}

impl Positions {
    pub(crate) fn contains(&self, key: &str) -> bool {
        self.spans.contains_key(key)
    }

    pub(crate) fn fault(&self, key: &str, message: String) -> Fault {
        match (&self.source, self.spans.get(key)) {
            (Some(source), Some(span)) => Fault::at(source, span.clone(), message),
            _ => Fault::without_place(message),
        }
    }
}
