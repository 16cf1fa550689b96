//! Bar charts as SVG, readable on light and on dark pages. Kept charts go to `bench/charts/`, those
//! of a quick run beside its results.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::results::{Case, Results, Spread, Table};
use super::workload::Column;
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
    column: Column,
    bars: Vec<(String, Spread)>,
}

/// One picture a case.
pub(super) fn draw(results: &Results, results_folder: &Path) -> Result<()> {
    let kept = project::root().join("bench/charts");
    let folder = if results.kept {
        kept.as_path()
    } else {
        results_folder
    };
    fs::create_dir_all(folder)?;
    for table in &results.tables {
        for (index, case) in table.cases.iter().enumerate() {
            let Some(chart) = chart(table, case) else {
                continue;
            };
            let name = match index {
                0 => format!("{}.svg", table.name),
                _ => format!("{}-{}.svg", table.name, file_name(&case.name)),
            };
            fs::write(folder.join(name), chart.svg())?;
        }
    }
    Ok(())
}

fn file_name(case: &str) -> String {
    let letter = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    case.chars().map(letter).collect()
}

fn chart(table: &Table, case: &Case) -> Option<Chart> {
    let column = *case.columns.first()?;
    let rows = case.sorted().into_iter();
    let bars = rows.filter_map(|row| Some((row.stack.clone(), row.spread(column)?)));
    let better = if column.more_is_better {
        "more"
    } else {
        "less"
    };
    Some(Chart {
        title: table.title.clone(),
        subtitle: format!(
            "{}: {}, {better} is better; median and range, load generator on the same machine",
            case.name, column.name
        ),
        column,
        bars: bars.collect(),
    })
}

impl Chart {
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
            "<text x=\"{:.1}\" y=\"{text:.1}\">{} {}</text>",
            x(spread.high) + 8.0,
            thousands(spread.median, self.column.digits),
            self.column.unit
        );
    }
}

/// `12345.6` as `12,346`
fn thousands(value: f64, digits: usize) -> String {
    if value < 1000.0 {
        return format!("{value:.digits$}");
    }
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
        assert_eq!(thousands(999.4, 0), "999");
        assert_eq!(thousands(0.25, 2), "0.25");
        assert_eq!(thousands(1_234_567.0, 2), "1,234,567");
    }

    #[test]
    fn a_label_cannot_break_out_of_the_picture() {
        assert_eq!(escaped("a<b & \"c\""), "a&lt;b &amp; &quot;c&quot;");
    }
}
