//! Bar charts as SVG, readable on light and on dark pages. Kept charts go to `bench/charts/`, those
//! of a quick run beside its results.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::results::{Results, Spread};
use crate::project;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 64.0;
const BAR: f64 = 26.0;
const STEP: f64 = 40.0;

const STYLE: &str = "text{font:14px system-ui,sans-serif;fill:#1f2328}\
.title{font-size:16px;font-weight:600}.quiet{fill:#59636e;font-size:12px}\
.bar{fill:#8c959f}.ours{fill:#c4492d}.range{stroke:#1f2328;stroke-width:1.5}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.quiet{fill:#9198a1}\
.bar{fill:#656c76}.ours{fill:#f0735a}.range{stroke:#f0f6fc}}";

struct Chart {
    title: String,
    subtitle: String,
    unit: &'static str,
    bars: Vec<(String, Spread)>,
}

pub(super) fn draw(results: &Results, results_folder: &Path) -> Result<()> {
    let kept = project::root().join("bench/charts");
    let folder = if results.quick {
        results_folder
    } else {
        kept.as_path()
    };
    fs::create_dir_all(folder)?;
    for (name, chart) in charts(results) {
        fs::write(folder.join(format!("{name}.svg")), chart.svg())?;
    }
    Ok(())
}

fn charts(results: &Results) -> Vec<(String, Chart)> {
    let mut charts: Vec<_> = results
        .scenarios
        .iter()
        .map(|scenario| {
            let bars = scenario.samples.iter();
            let chart = Chart {
                title: format!("Requests per second: {}", scenario.title),
                subtitle: format!(
                    "{} connections, {} workers, load generator on the same machine; median and range",
                    scenario.connections, scenario.workers
                ),
                unit: "",
                bars: bars.map(|(name, runs)| (name.clone(), runs.requests_per_second())).collect(),
            };
            (scenario.name.clone(), chart.sorted(true))
        })
        .collect();
    if let Some(workers) = results.memory.first().map(|memory| memory.workers) {
        let value = |mib: f64| Spread {
            low: mib,
            median: mib,
            high: mib,
        };
        let chart = Chart {
            title: format!("Memory of {workers} workers after load"),
            subtitle: "PSS of all processes of the app server, less is better".to_owned(),
            unit: " MiB",
            bars: results
                .memory
                .iter()
                .map(|memory| (memory.label().to_owned(), value(memory.total_mib)))
                .collect(),
        };
        charts.push(("memory".to_owned(), chart.sorted(false)));
    }
    charts
}

impl Chart {
    /// The better ones first.
    fn sorted(mut self, more_is_better: bool) -> Self {
        self.bars
            .sort_by(|(_, one), (_, other)| one.median.total_cmp(&other.median));
        if more_is_better {
            self.bars.reverse();
        }
        self
    }

    fn svg(&self) -> String {
        let height = TOP + STEP * self.bars.len() as f64 + 8.0;
        let most = self
            .bars
            .iter()
            .map(|(_, spread)| spread.high)
            .fold(1.0, f64::max);
        let scale = (WIDTH - LEFT - RIGHT) / most;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{0}\">\n\
             <style>{STYLE}</style>\n\
             <text class=\"title\" x=\"0\" y=\"20\">{0}</text>\n\
             <text class=\"quiet\" x=\"0\" y=\"42\">{1}</text>\n",
            escaped(&self.title),
            escaped(&self.subtitle)
        );
        for (index, (label, spread)) in self.bars.iter().enumerate() {
            let top = TOP + STEP * index as f64;
            self.write_bar(&mut svg, label, *spread, top, scale);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn write_bar(&self, svg: &mut String, label: &str, spread: Spread, top: f64, scale: f64) {
        let class = if label.starts_with("hotclub") {
            "ours"
        } else {
            "bar"
        };
        let (middle, text) = (top + BAR / 2.0, top + BAR / 2.0 + 5.0);
        let x = |value: f64| LEFT + value * scale;
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{text:.1}\" text-anchor=\"end\">{}</text>\n\
             <rect class=\"{class}\" x=\"{LEFT:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"3\"/>\n",
            LEFT - 10.0,
            escaped(label),
            spread.median * scale
        );
        if spread.high > spread.low {
            let _ = writeln!(
                svg,
                "<line class=\"range\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>",
                x(spread.low),
                x(spread.high)
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{text:.1}\">{}{}</text>",
            x(spread.high) + 8.0,
            thousands(spread.median),
            self.unit
        );
    }
}

/// `12345.6` as `12,346`
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(thousands(999.4), "999");
        assert_eq!(thousands(1_234_567.0), "1,234,567");
    }

    #[test]
    fn a_label_cannot_break_out_of_the_picture() {
        assert_eq!(escaped("a<b & \"c\""), "a&lt;b &amp; &quot;c&quot;");
    }
}
