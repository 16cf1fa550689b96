//! Who may ask for what, how often, and what is said beside it: `[[access]]`, `[[rate]]`, `[headers]`,
//! `[errors]` and `[maintenance]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::mount::Mount;

/// All of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Gate {
    pub access: Vec<Access>,
    pub rates: Vec<Rate>,
    pub headers: Headers,
    /// By status, 400 to 599: the file that is shown in the place of our own page.
    pub errors: BTreeMap<u16, PathBuf>,
    pub maintenance: Maintenance,
}

/// `[[access]]`: for a URL and all below it. What an entry does not say, the one around it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Access {
    pub url: Mount,
    /// The file of names and hashes.
    pub users: Option<PathBuf>,
    /// What a browser shows when it asks for a password.
    pub realm: Option<String>,
    /// Who may come; empty: everybody.
    pub allow: Vec<IpNet>,
    /// Who may not, whatever `allow` says.
    pub deny: Vec<IpNet>,
    /// No users and no addresses are asked for here, whatever an entry around it says.
    pub public: bool,
    /// Bytes of a request's body.
    pub max_body: Option<u64>,
}

/// `[[rate]]`: how often one address may ask for a URL and all below it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub url: Mount,
    pub limit: PerTime,
    /// Requests that may come at once.
    pub burst: u32,
    /// Empty: all.
    pub methods: Vec<String>,
}

/// `"10/m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerTime {
    /// At least 1.
    pub count: u32,
    pub time: Duration,
}

/// `[headers]`: of every answer of the site.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Headers {
    /// Added where an answer has none of that name; the preset's are among them.
    pub set: BTreeMap<String, String>,
    /// The same in the place of those that an answer has.
    pub replace: BTreeMap<String, String>,
    pub remove: Vec<String>,
}

/// `[maintenance]`: what is said while a file called `maintenance` lies in the state folder.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Maintenance {
    /// Who sees the site all the same.
    pub allow: Vec<IpNet>,
    pub page: Option<PathBuf>,
    /// `None`: the default.
    pub retry_after: Option<Duration>,
}
