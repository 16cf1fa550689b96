//! Tuning at a start: says what was done, and takes it back when the site does not come up with it.
//!
//! What is tuned is decided in the process that loads the app (`python/hotclub_worker/tuning.py`).

use hotclub_app::{Finding, Generation, Loaded, Spec, StartError, Tune};

use crate::console::{Console, Failure};
use crate::house::{Beginning, start_generation};

/// Starts a generation; when it fails and something was tuned, once more as the settings stand.
pub(crate) async fn start(
    beginning: Beginning<'_>,
    console: &Console,
) -> Result<Generation, Failure> {
    let failure = match start_generation(beginning).await {
        Ok(generation) => return Ok(generation),
        Err(not_started) if !not_started.tuned => return Err(not_started.failure),
        Err(not_started) => not_started.failure,
    };
    let untuned = Spec {
        tune: Tune::OFF,
        ..beginning.spec.clone()
    };
    let again = Beginning {
        spec: &untuned,
        ..beginning
    };
    let generation = start_generation(again)
        .await
        .map_err(|not_started| not_started.failure)?;
    let message = format!(
        "the tuning was taken back, since the site did not come up with it: {}",
        failure.message
    );
    console.warning(
        &message,
        Some("find out which part it is: each has a key under [app.tune], as `cached_templates = false`"),
    );
    Ok(generation)
}

/// One finding in words, with what would make it permanent.
pub(crate) fn explained(finding: &Finding) -> String {
    let Finding {
        tuning,
        at,
        done,
        what,
        code,
    } = finding;
    match (done, code) {
        (true, Some(code)) => {
            format!("tuned: {at}: {what}; to have it without Hotclub, write {code} there")
        }
        (true, None) => format!("tuned: {at}: {what}"),
        (false, _) => format!("not tuned ({tuning}): {at}: {what}"),
    }
}

/// Whether the settings that failed to load were tuned ones.
pub(crate) fn may_have_failed(error: &StartError, spec: &Spec) -> bool {
    match error {
        StartError::App(failure) => failure.tuned.iter().any(|finding| finding.done),
        // Without preload nobody tells what was tuned before a worker fails.
        StartError::Workers(_) => spec.tune != Tune::OFF && !spec.preload,
        _ => false,
    }
}

pub(crate) fn is_tuned(findings: &[Finding], spec: &Spec) -> bool {
    let unknown = spec.tune != Tune::OFF && !spec.preload;
    // When garbage is looked for keeps no site from coming up.
    let mut done = findings.iter().filter(|finding| finding.tuning != "gc");
    unknown || done.any(|finding| finding.done)
}

/// One line on what was tuned, and the doubts that came up with it.
pub(crate) fn report(loaded: &Loaded, console: &Console) {
    for advice in &loaded.warnings {
        console.warning(&advice.message, Some(&advice.hint));
    }
    if loaded.tuned.is_empty() {
        return;
    }
    let (done, left): (Vec<&Finding>, Vec<&Finding>) =
        loaded.tuned.iter().partition(|finding| finding.done);
    console.tuned(&done, &left, &summary(&done, &left));
}

fn summary(done: &[&Finding], left: &[&Finding]) -> String {
    let of = |tuning: &str| {
        done.iter()
            .filter(|finding| finding.tuning == tuning)
            .count()
    };
    const DONE: [(&str, &str); 6] = [
        (
            "persistent_connections",
            "database connections kept between requests",
        ),
        ("cached_templates", "templates parsed once"),
        ("gc", "garbage looked for less often"),
        ("idle_gzip", "GZipMiddleware idle"),
        ("idle_whitenoise", "WhiteNoise idle"),
        ("shared_cache", "one cache for all workers"),
    ];
    let named = DONE.iter().filter(|(tuning, _)| of(tuning) > 0);
    let mut parts: Vec<String> = named.map(|(_, words)| (*words).to_owned()).collect();
    match left {
        [] => {}
        [one] if done.is_empty() => parts.push(format!("nothing: {} ({})", one.what, one.at)),
        _ => parts.push(format!(
            "{} left alone (`hotclub check` says why)",
            left.len()
        )),
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(tuning: &str, at: &str, done: bool) -> Finding {
        Finding {
            tuning: tuning.to_owned(),
            at: at.to_owned(),
            done,
            what: "why".to_owned(),
            code: None,
        }
    }

    #[test]
    fn a_line_says_what_was_done_and_what_was_not() {
        let kept = finding("persistent_connections", "DATABASES['default']", true);
        let cached = finding("cached_templates", "TEMPLATES[0]", true);
        let left = finding("persistent_connections", "DATABASES['other']", false);
        assert_eq!(
            summary(&[&kept, &cached], &[]),
            "database connections kept between requests, templates parsed once"
        );
        assert_eq!(summary(&[], &[&left]), "nothing: why (DATABASES['other'])");
        assert_eq!(
            summary(&[&cached], &[&left]),
            "templates parsed once, 1 left alone (`hotclub check` says why)"
        );
    }
}
