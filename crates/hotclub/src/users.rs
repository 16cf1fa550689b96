//! Names of users and groups to their numbers.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use hotclub_config::Site;
use hotclub_supervise::RunAs;
use nix::unistd::{Group, User};

use crate::console::Failure;
use crate::releases::Release;

/// `None` when neither is given: the workers run as whoever started us.
pub(crate) fn resolve(user: Option<&str>, group: Option<&str>) -> Result<Option<RunAs>, Failure> {
    if user.is_none() && group.is_none() {
        return Ok(None);
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new("--user and --group need root")
            .hint("leave them out: the workers then run as you"));
    }
    let user = user.map(find_user).transpose()?;
    let gid = match (group, &user) {
        (Some(group), _) => find_group(group)?,
        (None, Some((_, gid))) => *gid,
        (None, None) => 0,
    };
    Ok(Some(RunAs {
        uid: user.map_or(0, |(uid, _)| uid),
        gid,
    }))
}

/// The user that the front runs as, when we are root: the one that `host.toml` names; else one of that purpose, if
/// there is one; else `nobody`.
pub(crate) fn of_front(named: Option<&str>) -> Result<Option<RunAs>, Failure> {
    if !rustix::process::geteuid().is_root() {
        return match named {
            None => Ok(None),
            Some(name) => Err(Failure::new(format!(
                "front_user: the front can run as {name} only if `hotclub host` is started by root"
            ))
            .hint("leave it out: the front then runs as you")),
        };
    }
    let names: Vec<&str> = named.map_or_else(|| FRONT_USERS.to_vec(), |name| vec![name]);
    let found = names.iter().find_map(|name| find_user(name).ok());
    match found {
        Some((0, _)) => Err(Failure::new("front_user: the front never runs as root")
            .hint("make a user for it: useradd --system --shell /usr/sbin/nologin hotclub-front")),
        Some((uid, gid)) => Ok(Some(RunAs { uid, gid })),
        None => {
            let name = names.first().copied().unwrap_or_default();
            Err(
                Failure::new(format!("there is no user {name} for the front"))
                    .hint(format!("useradd --system --shell /usr/sbin/nologin {name}")),
            )
        }
    }
}

/// The user that asks authorities for certificates, where we are root and may become others: in some containers root may
/// not.
pub(crate) fn of_clerk() -> Option<RunAs> {
    use rustix::thread::{CapabilitySet, capabilities};
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::SETPCAP;
    let has = capabilities(None).is_ok_and(|sets| sets.effective.contains(needed));
    if !has || !rustix::process::geteuid().is_root() {
        return None;
    }
    let nobody = RunAs {
        uid: 65_534,
        gid: 65_534,
    };
    Some(of_front(None).ok().flatten().unwrap_or(nobody))
}

/// The user that a site's code runs as, when we are root: the one that `host.toml` names, else `hotclub-SITE` where
/// there is one, else the owner of the site's folder. Nobody's code runs as root unless that is written.
pub(crate) fn of_site(site: &Site, named: Option<&str>) -> Result<Option<RunAs>, Failure> {
    if !rustix::process::geteuid().is_root() {
        return match named {
            None => Ok(None),
            Some(name) => Err(Failure::new(format!(
                "[users]: the site can run as {name} only if `hotclub host` is started by root"
            ))
            .hint("leave it out: the site then runs as you")),
        };
    }
    if let Some(name) = named {
        let (uid, gid) = find_user(name)?;
        return Ok((uid != 0).then_some(RunAs { uid, gid }));
    }
    if let Some(own) = own_user(site) {
        return Ok(Some(own));
    }
    let owner = std::fs::metadata(&site.dir)?;
    if owner.uid() == 0 {
        return Err(nobody_to_run(site));
    }
    let known = User::from_uid(owner.uid().into()).ok().flatten();
    Ok(Some(RunAs {
        uid: owner.uid(),
        gid: known.map_or(owner.gid(), |user| user.gid.as_raw()),
    }))
}

/// What a user that is a site's alone is called.
fn own_name(site: &Site) -> String {
    format!("hotclub-{}", site.name)
}

fn own_user(site: &Site) -> Option<RunAs> {
    let (uid, gid) = find_user(&own_name(site)).ok()?;
    // The front's is nobody else's.
    let is_taken = FRONT_USERS.contains(&own_name(site).as_str());
    (uid != 0 && !is_taken).then_some(RunAs { uid, gid })
}

/// Says what to write, word by word.
fn nobody_to_run(site: &Site) -> Failure {
    let (name, own) = (&site.name, own_name(site));
    let message = format!("no app runs as root, and {name} has no user of its own");
    // As many characters as useradd takes.
    let fits = own.len() <= 32 && !FRONT_USERS.contains(&own.as_str());
    let own = if fits { own.as_str() } else { "USER" };
    let make =
        format!("useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {own}");
    let mut hint = format!("make one, and try again: {make}");
    if !fits {
        hint.push_str(&format!(
            "\nand name it in host.toml: [users] {name} = \"USER\""
        ));
    }
    if Release::around(&site.dir).is_none() {
        let dir = site.dir.display();
        hint.push_str(&format!(
            "\nor give the folder to whom it belongs: chown -R USER {dir}"
        ));
    }
    Failure::new(message).hint(hint)
}

/// With whose rights a file is written that a site's file names, when we are root: as [`of_site`], but that a folder of
/// root's is written by root.
pub(crate) fn of_files(site: &Site, named: Option<&str>) -> Result<Option<RunAs>, Failure> {
    let is_roots = std::fs::metadata(&site.dir)?.uid() == 0;
    match named.is_none() && is_roots && own_user(site).is_none() {
        true => Ok(None),
        false => of_site(site, named),
    }
}

/// What tells programs who they are.
pub(crate) fn variables(user: RunAs) -> BTreeMap<String, String> {
    let known = User::from_uid(user.uid.into()).ok().flatten();
    let (name, home) = match known {
        Some(user) => (user.name, user.dir.display().to_string()),
        None => (user.uid.to_string(), "/".to_owned()),
    };
    let pairs = [("HOME", home), ("USER", name.clone()), ("LOGNAME", name)];
    pairs.map(|(key, value)| (key.to_owned(), value)).into()
}

/// Whom the front runs as when nobody is named.
const FRONT_USERS: [&str; 2] = ["hotclub-front", "nobody"];

fn find_user(name: &str) -> Result<(u32, u32), Failure> {
    if let Ok(uid) = name.parse::<u32>() {
        let known = User::from_uid(uid.into()).ok().flatten();
        return Ok((uid, known.map_or(uid, |user| user.gid.as_raw())));
    }
    let found = User::from_name(name).ok().flatten();
    found
        .map(|user| (user.uid.as_raw(), user.gid.as_raw()))
        .ok_or_else(|| {
            Failure::new(format!("there is no user {name}"))
                .hint(format!("make it: useradd --system {name}"))
        })
}

fn find_group(name: &str) -> Result<u32, Failure> {
    if let Ok(gid) = name.parse::<u32>() {
        return Ok(gid);
    }
    let found = Group::from_name(name).ok().flatten();
    found
        .map(|group| group.gid.as_raw())
        .ok_or_else(|| Failure::new(format!("there is no group {name}")))
}
