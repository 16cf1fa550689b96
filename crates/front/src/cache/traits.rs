//! What of a request matters to the cache, picked out in one walk over its fields.

use super::directives::Asked;
use crate::request::Request;

/// Fields by which pages are commonly made in two forms without a word in Vary: a part of the page for a
/// script, all of it for a visitor.
const PARTIAL: [&str; 9] = [
    "hx-request",
    "turbo-frame",
    "x-csrf-token",
    "x-fragment",
    "x-inertia",
    "x-pjax",
    "x-requested-with",
    "x-turbo-request-id",
    "x-up-version",
];
/// Fields that change what a request is.
const OVERRIDES: [&str; 3] = [
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// What kind of request it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traits {
    pub(super) is_head: bool,
    pub(super) has_cookie: bool,
    pub(super) has_authorization: bool,
    /// A script may have asked for a part of a page.
    pub(super) is_partial: bool,
    /// Not what its method says, or for the app alone to judge.
    pub(super) is_special: bool,
    pub(super) has_range: bool,
    /// If-None-Match or If-Modified-Since.
    pub(super) is_conditional: bool,
    /// A trusted proxy told more of the request than its host and scheme.
    pub(super) is_told_more: bool,
    pub(super) asked: Asked,
}

impl Traits {
    pub(super) fn of(request: &Request) -> Self {
        let mut traits = Self {
            is_head: request.is_head(),
            ..Self::default()
        };
        let mut has_control = false;
        for (name, _) in request.fields.iter() {
            traits.note(name, &mut has_control);
        }
        if has_control {
            traits.asked = Asked::read(&request.fields);
        }
        traits
    }

    fn note(&mut self, name: &[u8], has_control: &mut bool) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            5 if is("range") => self.has_range = true,
            6 if is("cookie") => self.has_cookie = true,
            8 if is("if-match") => self.is_special = true,
            13 if is("authorization") => self.has_authorization = true,
            13 if is("cache-control") => *has_control = true,
            13 if is("if-none-match") => self.is_conditional = true,
            17 if is("if-modified-since") => self.is_conditional = true,
            19 if is("if-unmodified-since") => self.is_special = true,
            _ => {}
        }
        match name.first().map(u8::to_ascii_lowercase) {
            Some(b'x') if begins(name, "x-forwarded-") => {
                let usual = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
                self.is_told_more |= !usual.into_iter().any(is);
            }
            Some(b'x' | b'h' | b't') => {
                self.is_partial |= PARTIAL.into_iter().any(is);
                self.is_special |= OVERRIDES.into_iter().any(is);
            }
            _ => {}
        }
    }

    /// Nobody can be told from the request but by address.
    pub(super) fn is_anonymous(&self) -> bool {
        !self.has_cookie && !self.has_authorization
    }

    /// May be answered with what was kept because nothing is known of the visitor.
    pub(super) fn takes_anonymous(&self) -> bool {
        self.is_anonymous() && !self.is_partial
    }
}

fn begins(name: &[u8], start: &str) -> bool {
    let own = name.get(..start.len());
    own.is_some_and(|own| own.eq_ignore_ascii_case(start.as_bytes()))
}
