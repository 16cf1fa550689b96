//! For `benches/` only: the steps of a request that are measured by themselves.

use crate::environ;
use crate::files::range::{Stretches, stretches};
use crate::h1::probe::parse;
use crate::limits::Limits;
use crate::path::Path;
use crate::policy::Context;
use crate::request::{Ends, Request, Scheme};
use crate::trust::TrustedProxies;

/// What a connection keeps from request to request.
#[derive(Debug)]
pub struct Visitor {
    ends: Ends,
    trusted: TrustedProxies,
    limits: Limits,
    request: Request,
    path: Path,
}

impl Default for Visitor {
    fn default() -> Self {
        Self {
            ends: Ends {
                peer: "198.51.100.7:4000".parse().ok(),
                local: None,
                scheme: Scheme::Http,
                server_name: None,
            },
            trusted: TrustedProxies::default(),
            limits: Limits::default(),
            request: Request::default(),
            path: Path::default(),
        }
    }
}

impl Visitor {
    /// A head, through the header policy; whether it was one.
    pub fn head(&mut self, bytes: &[u8]) -> bool {
        self.request.clear();
        let context = Context {
            ends: &self.ends,
            trusted: &self.trusted,
            id: Default::default(),
        };
        parse(bytes, &self.limits, &context, &mut self.request).is_ok()
    }

    /// The environ of the head before; its bytes.
    pub fn environ(&self) -> usize {
        environ::write(&self.request, &self.ends, None).map_or(0, |environ| environ.len())
    }

    /// The decoded path; its bytes.
    pub fn path(&mut self, raw: &[u8]) -> usize {
        self.path.clear();
        self.path
            .decode(raw)
            .map_or(0, |()| self.path.bytes().len())
    }

    /// How many stretches a Range field asks for.
    #[must_use]
    pub fn ranges(&self, value: &[u8], len: u64) -> usize {
        match stretches(value, len) {
            Stretches::Parts(parts) => parts.len(),
            _ => 0,
        }
    }
}
