//! Which backups are old. Each reason has a turn of its own, so that a day of many migrations does not push
//! the daily ones out. What was not proven goes as soon as something later was; the newest proven one never.

use super::manifest::{Manifest, Reason};

/// Names of those to remove; `all` has the newest first.
pub(super) fn doomed(all: &[&Manifest], keep: usize) -> Vec<String> {
    let good = |manifest: &&&Manifest| manifest.proof.is_good();
    let newest_good = all.iter().position(|manifest| manifest.proof.is_good());
    let failed = all
        .iter()
        .enumerate()
        .filter(|(at, manifest)| {
            !manifest.proof.is_good() && newest_good.is_some_and(|good| *at > good)
        })
        .map(|(_, manifest)| *manifest);
    let old = [
        Reason::Daily,
        Reason::Migration,
        Reason::Manual,
        Reason::Upgrade,
    ]
    .into_iter()
    .flat_map(|reason| {
        let of = all
            .iter()
            .filter(good)
            .filter(move |manifest| manifest.reason == reason);
        of.skip(keep.max(1))
    })
    .copied();
    failed
        .chain(old)
        .map(|manifest| manifest.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::fingerprint::Fingerprint;
    use super::super::manifest::{Engine, Proof};
    use super::*;

    fn manifest(name: &str, reason: Reason, good: bool) -> Manifest {
        let proof = match good {
            true => Proof::Proven { seconds: 1.0 },
            false => Proof::Failed { why: "no".into() },
        };
        Manifest {
            format: 1,
            made_by: String::new(),
            name: name.into(),
            site: String::new(),
            made_at: 0,
            reason,
            engine: Engine::Sqlite {
                version: String::new(),
            },
            files: Vec::new(),
            media: None,
            database: Fingerprint::default(),
            proof,
            seconds: 0.0,
        }
    }

    #[test]
    fn the_oldest_of_each_reason_go_and_failures_go_after_a_later_success() {
        use Reason::{Daily, Manual, Migration};
        for (all, keep, expected) in [
            (
                vec![("c", Daily, true), ("b", Daily, true), ("a", Daily, true)],
                2,
                vec!["a"],
            ),
            (
                vec![
                    ("c", Daily, true),
                    ("b", Migration, true),
                    ("a", Manual, true),
                ],
                1,
                vec![],
            ),
            (
                vec![("c", Daily, false), ("b", Daily, true), ("a", Daily, false)],
                1,
                vec!["a"],
            ),
            (vec![("b", Daily, false), ("a", Daily, false)], 1, vec![]),
            (vec![("b", Daily, true), ("a", Daily, true)], 0, vec!["a"]),
        ] {
            let all: Vec<_> = all.into_iter().map(|(n, r, g)| manifest(n, r, g)).collect();
            let all: Vec<_> = all.iter().collect();
            assert_eq!(doomed(&all, keep), expected);
        }
    }
}
