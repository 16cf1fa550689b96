//! `hotclub tune [DIR] [URL…]`: measures pages as the settings stand and with each tuning, and says what costs most.

use std::io::Write;

use hotclub_app::Tune;
use hotclub_django::inspect::inspect;
use serde::Serialize;

use crate::cli::TuneArgs;
use crate::console::{Console, Failure};
use crate::inspect::asked;
use crate::measure::{self, Answer, Costly, Page, Pages, measure};
use crate::project::{Project, State};
use crate::up::database::{self, Database};

/// Characters of the longest bar.
const BAR: usize = 24;

/// The site with some tunings on.
#[derive(Debug, Serialize)]
struct Variant {
    name: &'static str,
    pages: Vec<Page>,
}

#[derive(Debug, Serialize)]
struct Report {
    variants: Vec<Variant>,
    costly: Vec<Costly>,
}

pub(crate) async fn run(args: &TuneArgs, console: &Console) -> Result<(), Failure> {
    let quiet = Console::quiet();
    let console = if args.json { &quiet } else { console };
    let (project, database) = ready(args, console).await?;
    let report = compare(&project, args, console).await;
    database.stop().await;
    let report = report?;
    let text = match args.json {
        true => serde_json::to_string_pretty(&report)?,
        false => human(&report),
    };
    writeln!(std::io::stdout(), "{}", text.trim_end())?;
    Ok(())
}

/// The project with its database running: that of an `up` that runs, or started for this.
async fn ready(args: &TuneArgs, console: &Console) -> Result<(Project, Database), Failure> {
    let site = crate::site_file::load(&args.dir, console)?;
    let mut project = Project::find(site, None)?;
    if !State::open_shared(&project)?.knows_the_settings() {
        return Err(Failure::new("this project has not been up yet")
            .hint(format!("start it once: hotclub up {}", args.dir.display())));
    }
    let Ok(state) = State::open(&project) else {
        let (mut project, _) = asked(project.site, console).await?;
        project.inspection = inspect(project.app()?, false)
            .await
            .map_err(|error| Failure::of_step(&error, error.hint()))?;
        return Ok((project, Database::None));
    };
    project.install(&state, console).await?;
    let database = database::settle(&mut project, &state, console).await?;
    Ok((project, database))
}

async fn compare(project: &Project, args: &TuneArgs, console: &Console) -> Result<Report, Failure> {
    let variants = [
        ("as the settings stand", Tune::OFF),
        (
            "persistent_connections",
            Tune {
                persistent_connections: true,
                ..Tune::OFF
            },
        ),
        (
            "cached_templates",
            Tune {
                cached_templates: true,
                ..Tune::OFF
            },
        ),
        (
            "gc",
            Tune {
                gc: true,
                ..Tune::OFF
            },
        ),
        ("all", measure::allowed(hotclub_config::Tune::all(true))),
    ];
    let mut paths: Vec<String> = args.urls.iter().map(|url| path_of(url)).collect();
    let mut report = Report {
        variants: Vec::new(),
        costly: Vec::new(),
    };
    for (name, tune) in variants {
        console.begin("measuring");
        console.progress(name);
        let pages = Pages {
            paths: &paths,
            seconds: args.seconds,
        };
        let answer: Answer = measure(project, tune, Some(pages)).await?;
        console.done(name);
        // The same pages for all, and what is costly of the last: tuning has done what it can.
        paths = answer.paths;
        report.costly = answer.costly;
        report.variants.push(Variant {
            name,
            pages: answer.pages,
        });
    }
    Ok(report)
}

/// The path of what may be a whole URL, copied from a browser.
fn path_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| {
        rest.find('/').map_or("/", |slash| &rest[slash..])
    });
    let path = rest.split('#').next().unwrap_or_default();
    match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    }
}

fn human(report: &Report) -> String {
    let fastest = report.variants.iter().map(rate).fold(0.0, f64::max);
    let mut lines = vec![format!(
        "{:<24}{:>9}  {:<BAR$} {:>8} {:>12} {:>9} {:>10} {:>9}",
        "", "pages/s", "", "queries", "connections", "SQL ms", "templates", "Python"
    )];
    for variant in &report.variants {
        let mean = |of: fn(&Page) -> f64| mean(&variant.pages, of);
        let bar = "█".repeat(((rate(variant) / fastest) * BAR as f64).round() as usize);
        lines.push(format!(
            "{:<24}{:>9.1}  {bar:<BAR$} {:>8.1} {:>12.1} {:>9.2} {:>10.2} {:>9.2}",
            variant.name,
            rate(variant),
            mean(|page| page.queries),
            mean(|page| page.connections),
            mean(|page| page.sql_ms),
            mean(|page| page.template_ms),
            mean(|page| page.python_ms),
        ));
    }
    let pages = report.variants.first().map(|variant| &variant.pages[..]);
    let pages: Vec<String> = pages.unwrap_or_default().iter().map(shown).collect();
    lines.push(format!("\nOne process, the mean of: {}", pages.join(" ")));
    if !report.costly.is_empty() {
        lines.push("\nWhat costs most with all:".to_owned());
        lines.extend(
            report
                .costly
                .iter()
                .enumerate()
                .map(|(at, costly)| format!("{}. {}", at + 1, told(costly))),
        );
    }
    lines.join("\n")
}

fn shown(page: &Page) -> String {
    match page.status {
        200 => page.path.clone(),
        status => format!("{} ({status})", page.path),
    }
}

fn told(costly: &Costly) -> String {
    let Costly {
        kind,
        what,
        at,
        page,
        count,
        ms,
    } = costly;
    let times = match *count {
        count if count > 1.0 && kind == "sql" => {
            format!(" the same query {count:.0} times a page (N+1?)")
        }
        count if count > 1.0 => format!(" {count:.0} times a page"),
        _ => String::new(),
    };
    let place = match at.as_str() {
        "" => String::new(),
        at => format!("\n   at {at}"),
    };
    format!("{ms:.2} ms on {page}: {kind}{times}: {what}{place}")
}

/// Pages a second, when each is asked for as often as the others.
fn rate(variant: &Variant) -> f64 {
    let seconds = mean(&variant.pages, |page| 1.0 / page.per_second.max(0.001));
    if seconds > 0.0 { 1.0 / seconds } else { 0.0 }
}

fn mean(pages: &[Page], of: fn(&Page) -> f64) -> f64 {
    pages.iter().map(of).sum::<f64>() / pages.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_be_named_as_the_browser_shows_it() {
        for (url, path) in [
            ("/art/", "/art/"),
            ("art/", "/art/"),
            ("https://example.com/art/?page=2#top", "/art/?page=2"),
            ("https://example.com", "/"),
        ] {
            assert_eq!(path_of(url), path);
        }
    }

    #[test]
    fn the_table_compares_and_the_costly_things_have_their_place() {
        let page = |per_second, connections| Page {
            path: "/".to_owned(),
            status: 200,
            per_second,
            connections,
            ..Page::default()
        };
        let costly = Costly {
            kind: "sql".to_owned(),
            what: "SELECT 1".to_owned(),
            at: "shop/views.py:7 in home".to_owned(),
            page: "/".to_owned(),
            count: 12.0,
            ms: 3.5,
        };
        let text = human(&Report {
            variants: vec![
                Variant {
                    name: "as the settings stand",
                    pages: vec![page(10.0, 1.0)],
                },
                Variant {
                    name: "all",
                    pages: vec![page(40.0, 0.0)],
                },
            ],
            costly: vec![costly],
        });
        assert!(
            text.contains("as the settings stand        10.0  ██████   "),
            "{text}"
        );
        assert!(
            text.contains("1. 3.50 ms on /: sql the same query 12 times a page (N+1?): SELECT 1"),
            "{text}"
        );
        assert!(text.contains("at shop/views.py:7 in home"), "{text}");
    }
}
