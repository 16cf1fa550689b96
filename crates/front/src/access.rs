//! Whether a request may be made at all: asked before a byte of its body is read, in the same place for every
//! version of HTTP.
//!
//! In this order: maintenance, addresses, rates, passwords. A rate goes before a password, whose check is
//! dear. Rules are for a URL and all below it; of the rules around a path the longest that says something
//! of a matter decides it.

mod maintenance;
mod place;
mod rate;
mod users;

use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use self::maintenance::Maintenance;
use self::place::Place;
use self::rate::Limiter;
pub use self::users::password_hash;
use self::users::{Users, Verdict};
use crate::request::Request;
use crate::respond::Trouble;

/// What a password is asked for when nothing is written.
const REALM: &str = "Restricted";

/// The rules of a site.
#[derive(Debug)]
pub struct Gate {
    /// Longest first.
    rules: Vec<Rule>,
    limiters: Vec<Limiter>,
    maintenance: Option<Maintenance>,
    /// Bytes of a body where no rule says otherwise.
    max_body: Option<u64>,
}

#[derive(Debug)]
struct Rule {
    place: Place,
    users: Option<Users>,
    realm: Option<String>,
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
    public: bool,
    max_body: Option<u64>,
}

/// A file that a gate cannot do without.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct GateFault {
    /// Where `hotclub.toml` names it: `access.0.users`.
    pub key: String,
    pub message: String,
    pub hint: Option<&'static str>,
}

/// What a request is let in with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Permit {
    /// Bytes that its body may have; `None`: what holds everywhere.
    pub(crate) max_body: Option<u64>,
    /// Not everybody is let in here: what is answered is for nobody's shared cache.
    pub(crate) guarded: bool,
}

/// What the rules say of one path.
#[derive(Default)]
struct Asked<'g> {
    users: Option<(&'g Users, &'g str)>,
    addresses: Option<&'g Rule>,
    max_body: Option<u64>,
}

impl Gate {
    /// Reads the files that the rules name. `state` is where a file called `maintenance` closes the site;
    /// `max_body` is the site's own limit.
    ///
    /// # Errors
    /// All files that cannot be used.
    pub fn open(
        wanted: &hotclub_config::Gate,
        state: Option<&Path>,
        max_body: Option<u64>,
    ) -> Result<Self, Vec<GateFault>> {
        let mut faults = Vec::new();
        let mut rules = Vec::with_capacity(wanted.access.len());
        for (at, access) in wanted.access.iter().enumerate() {
            let users = access.users.as_deref().map(Users::read).transpose();
            let users = users.unwrap_or_else(|(message, hint)| {
                let key = format!("access.{at}.users");
                faults.push(GateFault { key, message, hint });
                None
            });
            rules.push(Rule {
                place: Place::new(access.url.as_str()),
                users,
                realm: access.realm.clone(),
                allow: access.allow.clone(),
                deny: access.deny.clone(),
                public: access.public,
                max_body: access.max_body,
            });
        }
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.place.depth()));
        let maintenance = state.map(|state| Maintenance::new(&wanted.maintenance, state));
        match faults.is_empty() {
            true => Ok(Self {
                rules,
                limiters: wanted.rates.iter().map(Limiter::new).collect(),
                maintenance,
                max_body,
            }),
            false => Err(faults),
        }
    }

    /// Lets a request in, or says why not. Takes no memory but where a password is to be checked.
    ///
    /// # Errors
    /// 401, 403, 429 or 503.
    pub(crate) async fn admit(&self, request: &Request) -> Result<Permit, Trouble> {
        let path = request.path.bytes();
        if let Some(maintenance) = &self.maintenance {
            maintenance.check(request.client)?;
        }
        let asked = self.asked(path);
        if asked
            .addresses
            .is_some_and(|rule| !rule.lets(request.client))
        {
            return Err(Trouble::Forbidden);
        }
        for limiter in &self.limiters {
            limiter.check(path, request)?;
        }
        if let Some((users, realm)) = asked.users {
            let field = request.fields.get("authorization");
            // Boxed: few requests come here, and the others should stay small.
            match Box::pin(users.check(field)).await {
                Verdict::Known => {}
                Verdict::Unknown => return Err(Trouble::Unauthorized(realm.to_owned())),
                Verdict::Busy => return Err(Trouble::AccessBusy),
            }
        }
        Ok(Permit {
            max_body: asked.max_body.or(self.max_body),
            guarded: asked.users.is_some() || asked.addresses.is_some(),
        })
    }

    /// Whether it lets everybody in to everything, always.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let asks_nothing = self.rules.is_empty() && self.limiters.is_empty();
        asks_nothing && self.maintenance.is_none() && self.max_body.is_none()
    }

    fn asked(&self, path: &[u8]) -> Asked<'_> {
        let mut asked = Asked::default();
        let mut is_open = false;
        for rule in self.rules.iter().filter(|rule| rule.place.covers(path)) {
            asked.max_body = asked.max_body.or(rule.max_body);
            is_open |= rule.public;
            if is_open {
                continue;
            }
            let realm = rule.realm.as_deref().unwrap_or(REALM);
            let users = rule.users.as_ref().map(|users| (users, realm));
            asked.users = asked.users.or(users);
            let names_any = !rule.allow.is_empty() || !rule.deny.is_empty();
            asked.addresses = asked.addresses.or(names_any.then_some(rule));
        }
        asked
    }
}

impl Rule {
    /// Whether an address may come. Of somebody on a Unix socket no address is known, which is none of those
    /// that are allowed.
    fn lets(&self, client: Option<IpAddr>) -> bool {
        let Some(client) = client else {
            return self.allow.is_empty();
        };
        !is_in(&self.deny, client) && (self.allow.is_empty() || is_in(&self.allow, client))
    }
}

/// IPv4 also where it came through an IPv6 socket.
fn is_in(networks: &[IpNet], client: IpAddr) -> bool {
    let client = client.to_canonical();
    networks.iter().any(|network| network.contains(&client))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(rules: &str) -> Gate {
        let file = Path::new("/nowhere/hotclub.toml");
        let site = hotclub_config::parse(rules, file).unwrap();
        Gate::open(&site.gate, None, None).unwrap()
    }

    fn admit(gate: &Gate, path: &str, client: &str) -> Result<Permit, Trouble> {
        let mut request = Request {
            client: client.parse().ok(),
            ..Request::default()
        };
        request.path.decode(path.as_bytes()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(gate.admit(&request))
    }

    #[test]
    fn the_longest_rule_that_says_something_decides() {
        let gate = gate(
            "[[access]]\nurl = '/'\nallow = ['10.0.0.0/8', '2001:db8::/32']\nmax_body = '1KB'\n\
             [[access]]\nurl = '/shop/'\npublic = true\n\
             [[access]]\nurl = '/shop/admin/'\nallow = ['10.1.0.0/16']\n\
             [[access]]\nurl = '/upload/'\nmax_body = '1MB'\n\
             [[access]]\nurl = '/closed/'\ndeny = ['10.0.0.7']\nallow = ['10.0.0.0/8']\n",
        );
        for (path, client, expected) in [
            ("/", "10.0.0.1", true),
            ("/", "::ffff:10.0.0.1", true),
            ("/", "2001:db8::1", true),
            ("/", "192.0.2.1", false),
            ("/", "a socket", false),
            ("/shop/x", "192.0.2.1", true),
            ("/shop", "192.0.2.1", true),
            ("/shopping/", "192.0.2.1", false),
            ("/shop/admin/", "192.0.2.1", false),
            ("/shop/admin", "10.0.0.1", false),
            ("//shop//admin/x", "10.0.0.1", false),
            ("/shop/admin;x=1/", "10.0.0.1", false),
            ("/shop%2Fadmin/", "10.0.0.1", false),
            ("/shop/admin/", "10.1.0.1", true),
            ("/upload/", "192.0.2.1", false),
            ("/closed/", "10.0.0.7", false),
            ("/closed/", "10.0.0.8", true),
        ] {
            let admitted = admit(&gate, path, client);
            assert_eq!(admitted.is_ok(), expected, "{path} by {client}");
        }
        for (path, bytes) in [("/", 1000), ("/upload/x", 1_000_000), ("/shop/", 1000)] {
            let permit = admit(&gate, path, "10.0.0.1").unwrap();
            assert_eq!(permit.max_body, Some(bytes), "{path}");
        }
    }
}
