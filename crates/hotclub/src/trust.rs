//! `hotclub trust`: a certificate authority for this machine alone, so that browsers believe
//! `https://localhost` while a site is developed. `authority` makes it and its certificates, `stores` tells the system
//! and the browsers of it.

mod authority;
mod stores;

use std::io::Write;
use std::path::Path;

pub(crate) use authority::{Authority, CERTIFICATE_DAYS, folder as authority_folder, is_local};
use stores::{Outcome, Store};

use crate::cli::{TrustArgs, TrustStore};
use crate::console::{Console, Failure};

pub(crate) fn run(args: &TrustArgs, console: &Console) -> Result<(), Failure> {
    let folder = authority::folder()?;
    let stores = wanted(args);
    if args.uninstall {
        return uninstall(&folder, &stores, console);
    }
    let authority = Authority::open_or_make(&folder)?;
    let file = authority.certificate_file();
    let mut installed = 0;
    for store in &stores {
        let outcome = store.install(&authority.name(), &file);
        installed += usize::from(matches!(outcome, Outcome::Done));
        tell(store, &outcome, "believes the local authority", console);
    }
    writeln!(std::io::stdout(), "{}", file.display())?;
    match installed {
        0 => Err(
            Failure::new("nobody believes the local authority yet").hint(format!(
                "the lines above say why; or give it to a program by itself: curl --cacert {}",
                file.display()
            )),
        ),
        _ => Ok(()),
    }
}

fn uninstall(folder: &Path, stores: &[Store], console: &Console) -> Result<(), Failure> {
    let Some(authority) = Authority::open(folder)? else {
        console.note("there is no local authority");
        return Ok(());
    };
    let mut left = false;
    for store in stores {
        let outcome = store.remove(&authority.name());
        left |= matches!(outcome, Outcome::Failed { .. });
        tell(
            store,
            &outcome,
            "has forgotten the local authority",
            console,
        );
    }
    if left {
        // Its certificate is needed to take the rest away.
        return Err(Failure::new("the local authority is still believed")
            .hint("do what the lines above say, then once more: hotclub trust --uninstall"));
    }
    authority.delete()?;
    console.note("the local authority and its key are deleted");
    Ok(())
}

fn wanted(args: &TrustArgs) -> Vec<Store> {
    let mut stores = Vec::new();
    if args.wants(TrustStore::System) {
        stores.push(stores::system());
    }
    if args.wants(TrustStore::Browsers) {
        stores.extend(stores::browsers());
    }
    stores
}

fn tell(store: &Store, outcome: &Outcome, done: &str, console: &Console) {
    let name = store.name();
    match outcome {
        Outcome::Done => console.note(&format!("{name} {done}")),
        Outcome::Nothing => {}
        Outcome::Failed { why, hint } => {
            console.warning(&format!("{name}: {why}"), Some(hint.as_str()));
        }
    }
}
