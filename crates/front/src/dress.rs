//! What a site adds to every answer: header fields, and pages of its own for our errors.

use std::collections::HashMap;

use bytes::Bytes;

use crate::access::GateFault;
use crate::message::{Body, Fields, Response};

/// The longest page that is kept in memory.
const LONGEST: u64 = 1 << 20;

/// Fields and pages of a site.
#[derive(Debug, Default)]
pub struct Dress {
    set: Vec<(String, String)>,
    replace: Vec<(String, String)>,
    remove: Vec<String>,
    pages: HashMap<u16, Bytes>,
    maintenance: Option<Bytes>,
}

impl Dress {
    /// Reads the pages.
    ///
    /// # Errors
    /// All that cannot be read.
    pub fn open(wanted: &hotclub_config::Gate) -> Result<Self, Vec<GateFault>> {
        let mut faults = Vec::new();
        let mut read = |key: String, path: &std::path::Path| match page(path) {
            Ok(page) => Some(page),
            Err(error) => {
                let message = format!("{} cannot be shown: {error}", path.display());
                let hint = Some(
                    "a file of HTML, at most 1 MiB long; it stands alone, without its style in another file",
                );
                faults.push(GateFault { key, message, hint });
                None
            }
        };
        let errors = wanted.errors.iter();
        let pages = errors
            .filter_map(|(status, path)| Some((*status, read(format!("errors.{status}"), path)?)));
        let pages = pages.collect();
        let closed = wanted.maintenance.page.as_deref();
        let maintenance = closed.and_then(|path| read("maintenance.page".to_owned(), path));
        if !faults.is_empty() {
            return Err(faults);
        }
        let pairs = |fields: &std::collections::BTreeMap<String, String>| {
            let pairs = fields
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()));
            pairs.collect()
        };
        Ok(Self {
            set: pairs(&wanted.headers.set),
            replace: pairs(&wanted.headers.replace),
            remove: wanted.headers.remove.clone(),
            pages,
            maintenance,
        })
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.set.is_empty()
            && self.replace.is_empty()
            && self.remove.is_empty()
            && self.pages.is_empty()
            && self.maintenance.is_none()
    }

    /// Puts the site's page in the place of ours.
    pub(crate) fn page(&self, response: &mut Response, is_maintenance: bool) {
        let closed = self.maintenance.as_ref().filter(|_| is_maintenance);
        if let Some(page) = closed.or_else(|| self.pages.get(&response.status)) {
            response.body = Body::Bytes(page.clone());
        }
    }

    /// Adds, replaces and removes fields.
    pub(crate) fn fields(&self, fields: &mut Fields) {
        for name in &self.remove {
            fields.remove(name);
        }
        for (name, value) in &self.replace {
            fields.remove(name);
            fields.push(name.as_bytes(), value.as_bytes());
        }
        for (name, value) in &self.set {
            if fields.get(name).is_none() {
                fields.push(name.as_bytes(), value.as_bytes());
            }
        }
    }
}

fn page(path: &std::path::Path) -> std::io::Result<Bytes> {
    let size = std::fs::metadata(path)?.len();
    if size > LONGEST {
        return Err(std::io::Error::other("it is longer than 1 MiB"));
    }
    std::fs::read(path).map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dressed(headers: &str, fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let file = std::path::Path::new("/nowhere/hotclub.toml");
        let site = hotclub_config::parse(headers, file).unwrap();
        let mut all = Fields::default();
        for (name, value) in fields {
            all.push(name.as_bytes(), value.as_bytes());
        }
        Dress::open(&site.gate).unwrap().fields(&mut all);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        all.iter().map(|(n, v)| (text(n), text(v))).collect()
    }

    #[test]
    fn what_the_app_said_stays_unless_it_is_to_be_replaced() {
        let fields = dressed(
            "[headers]\npreset = 'secure'\nset = { X-A = 'ours', referrer-policy = 'no-referrer' }\n\
             replace = { X-B = 'ours' }\nremove = ['X-Powered-By']\n",
            &[
                ("x-frame-options", "DENY"),
                ("X-a", "theirs"),
                ("x-b", "theirs"),
                ("X-Powered-By", "PHP"),
            ],
        );
        let has = |name: &str, value: &str| fields.contains(&(name.to_owned(), value.to_owned()));
        assert!(has("x-frame-options", "DENY") && !has("X-Frame-Options", "SAMEORIGIN"));
        assert!(
            has("X-a", "theirs") && has("X-B", "ours") && has("referrer-policy", "no-referrer")
        );
        assert!(has("X-Content-Type-Options", "nosniff"));
        assert!(fields.iter().all(|(name, _)| name != "X-Powered-By"));
        assert_eq!(fields.len(), 6, "{fields:?}");
    }
}
