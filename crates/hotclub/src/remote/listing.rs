//! `hotclub releases` for people.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use super::overview::ago;
use crate::console::Failure;
use crate::control::Answered;

pub(super) fn print(answered: &Answered) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs());
    for release in answered["releases"].as_array().into_iter().flatten() {
        let made = release["made_at"].as_u64().unwrap_or(now);
        let mark = match release["is_live"].as_bool() {
            Some(true) => "live",
            _ => "",
        };
        let migrations = release["migrations"].as_array().map_or(0, Vec::len);
        let migrated = match migrations {
            0 => String::new(),
            1 => "  1 migration".to_owned(),
            many => format!("  {many} migrations"),
        };
        writeln!(
            stdout,
            "{:>5}  {mark:4}  {:>7} ago  {}{migrated}",
            release["release"].to_string(),
            ago(now.saturating_sub(made)),
            release["from"].as_str().unwrap_or_default(),
        )?;
    }
    Ok(())
}
