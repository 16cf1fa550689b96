//! Names of users and groups to their numbers.

use hotclub_supervise::RunAs;
use nix::unistd::{Group, User};

use crate::console::Failure;

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

fn find_user(name: &str) -> Result<(u32, u32), Failure> {
    if let Ok(uid) = name.parse::<u32>() {
        let known = User::from_uid(uid.into()).ok().flatten();
        return Ok((uid, known.map_or(uid, |user| user.gid.as_raw())));
    }
    let found = User::from_name(name).ok().flatten();
    found
        .map(|user| (user.uid.as_raw(), user.gid.as_raw()))
        .ok_or_else(|| Failure::new(format!("there is no user {name}")))
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
