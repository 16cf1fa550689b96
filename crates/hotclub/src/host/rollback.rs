//! Going back to a release that served before. Its environment, its static files and the settings' answers are
//! there: it only has to be imported and to answer.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;

use super::desk::Desk;
use crate::console::Failure;
use crate::control::{Outcome, Visitor};
use crate::releases::{Home, Release};
use crate::up::release::{Outcome as Released, outcome};

impl Desk {
    pub(super) async fn roll_back(
        &self,
        site: &str,
        (wanted, anyway): (Option<u64>, bool),
        visitor: &Visitor,
    ) -> Outcome {
        let began = Instant::now();
        let (home, _lock, current) = self.deployed(site)?;
        let target = choose(&home, &current, wanted)?;
        let console = self.console(site, visitor.listener());
        if let Some(plan) = plan(&home, &current, &target) {
            if !anyway {
                return Err(plan);
            }
            console.warning(&plan.message, None);
        }
        let shown = self.go_live(&home, &target, console).await?;
        Ok(json!({
            "site": site,
            "release": target.number,
            "before": current.number,
            "live_after": shown.duration_since(began).as_secs_f64(),
            "seconds": began.elapsed().as_secs_f64(),
        }))
    }
}

fn choose(home: &Home, current: &Release, wanted: Option<u64>) -> Result<Release, Failure> {
    let fit: Vec<Release> = home
        .releases()
        .into_iter()
        .filter(Release::is_fit)
        .collect();
    let found = match wanted {
        Some(number) => fit.iter().find(|release| release.number == number),
        None => fit.iter().find(|release| release.number < current.number),
    };
    let numbers: Vec<String> = fit
        .iter()
        .map(|release| release.number.to_string())
        .collect();
    match found {
        Some(release) if release == current => {
            Err(Failure::new(format!("release {} is live", release.number)))
        }
        Some(release) => Ok(release.clone()),
        None => {
            let message = match wanted {
                Some(number) => format!("there is no release {number}"),
                None => format!("there is no release before {}", current.number),
            };
            Err(Failure::new(message).hint(format!("those kept are {}", numbers.join(", "))))
        }
    }
}

/// What lies between, when it changed the database; going back does not undo it.
fn plan(home: &Home, current: &Release, target: &Release) -> Option<Failure> {
    let between = home.releases().into_iter().filter(|release| {
        let number = release.number;
        release.is_fit() && number > target.number && number <= current.number
    });
    // The oldest first.
    let mut between: Vec<(u64, Released)> = between
        .map(|release| (release.number, outcome(&release)))
        .filter(|(_, outcome)| !outcome.migrations.is_empty())
        .collect();
    between.reverse();
    let oldest = between.first()?;
    let names: Vec<&str> = between
        .iter()
        .flat_map(|(_, outcome)| outcome.migrations.iter().map(String::as_str))
        .collect();
    let message = format!(
        "between release {} and release {} lie migrations, which going back does not undo: {}",
        target.number,
        current.number,
        names.join(", ")
    );
    let source = home.live_source();
    let mut lines = vec![
        "if the old code can live with the newer tables, go back with --anyway".to_owned(),
        "otherwise undo them first, with the code that knows them:".to_owned(),
    ];
    for (app, first) in first_of_each_app(&names) {
        lines.push(format!(
            "  hotclub manage {} -- migrate {app} THE_ONE_BEFORE_{first}",
            source.display()
        ));
    }
    if let Some(backup) = &oldest.1.backup {
        lines.push(format!(
            "or, to lose what was written since: hotclub db restore {} {backup}",
            source.display()
        ));
    }
    Some(Failure::new(message).hint(lines.join("\n")))
}

fn first_of_each_app<'n>(names: &[&'n str]) -> BTreeMap<&'n str, &'n str> {
    let mut first = BTreeMap::new();
    for name in names {
        if let Some((app, migration)) = name.split_once('.') {
            first.entry(app).or_insert(migration);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_names_the_first_migration_of_each_app() {
        let names = ["shop.0004_tax", "blog.0002_tags", "shop.0005_more"];
        let first = first_of_each_app(&names);
        assert_eq!(
            first.into_iter().collect::<Vec<_>>(),
            [("blog", "0002_tags"), ("shop", "0004_tax")]
        );
    }
}
