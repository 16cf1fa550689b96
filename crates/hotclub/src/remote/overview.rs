//! `hotclub status` for people: a line a site, and below it what is wrong.

use std::io::Write;

use super::pack::shown;
use crate::console::Failure;
use crate::host::{SiteStatus, Status, Wrong};

pub(super) fn print(status: &Status) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    if status.sites.is_empty() {
        writeln!(stdout, "no sites yet: `hotclub deploy` brings one")?;
    }
    let width = status.sites.iter().map(|site| site.name.len()).max();
    for site in &status.sites {
        writeln!(stdout, "{}", line(site, width.unwrap_or_default()))?;
        for wrong in &site.wrong {
            write!(stdout, "{}", doubt(wrong))?;
        }
    }
    for wrong in &status.wrong {
        write!(stdout, "{}", doubt(wrong))?;
    }
    Ok(())
}

/// `shop      serving  3 d   release 7   2 workers  64 MiB  12.0/s  shop.example`
fn line(site: &SiteStatus, width: usize) -> String {
    let mut parts = vec![
        format!("{:width$}", site.name),
        format!("{:8}", site.state),
        format!("{:>4}", ago(site.seconds)),
    ];
    parts.extend(site.release.map(|release| format!("release {release}")));
    if site.workers > 0 {
        parts.push(format!("{} workers", site.workers));
        parts.push(shown(site.memory));
    }
    if site.queued > 0 {
        parts.push(format!("{} queued", site.queued));
    }
    parts.push(format!("{:.1}/s", site.requests_per_second));
    parts.extend(site.disk.map(|disk| format!("disk {}", shown(disk))));
    let backup = site.backup_age;
    parts.extend(backup.map(|age| format!("backup {} ago", ago(age))));
    let certificate = site.certificate.as_ref();
    let left = certificate
        .and_then(|it| it.seconds_left)
        .filter(|left| *left > 0);
    parts.extend(left.map(|left| format!("certificate for {}", ago(left.unsigned_abs()))));
    parts.push(site.hosts.join(", "));
    parts.join("  ")
}

fn doubt(wrong: &Wrong) -> String {
    let mut text = format!("  {}\n", wrong.message);
    for line in wrong.hint.iter().flat_map(|hint| hint.lines()) {
        text.push_str(&format!("  hint: {line}\n"));
    }
    text
}

/// Seconds as a person says them.
pub(super) fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
