//! The picture: a line a site, charts of the one that is chosen, and what is wrong.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table};

use super::course::Course;
use crate::host::{SiteStatus, Status};
use crate::remote::overview::ago;
use crate::remote::pack::shown;

const TITLES: [&str; 10] = [
    "site", "state", "req/s", "p50 ms", "p95 ms", "p99 ms", "queue", "workers", "memory", "5xx",
];

/// Lines for what is wrong, at most.
const DOUBTS: usize = 6;

pub(super) fn draw(frame: &mut Frame<'_>, course: &Course) {
    let Some(now) = &course.now else {
        return;
    };
    let doubts = doubts(now);
    let places = [
        Constraint::Length(1),
        Constraint::Length(now.sites.len() as u16 + 1),
        Constraint::Fill(1),
        Constraint::Length(doubts.len() as u16),
    ];
    let [head, sites, charts, below] = Layout::vertical(places).areas(frame.area());
    frame.render_widget(heading(now), head);
    frame.render_widget(table(now, course.chosen), sites);
    draw_charts(frame, course, charts);
    frame.render_widget(Paragraph::new(doubts), below);
}

fn heading(now: &Status) -> Line<'static> {
    let rate: f64 = now.sites.iter().map(|site| site.requests_per_second).sum();
    let text = format!(
        "hotclub {}   {} sites   {rate:.1} req/s   {} free   ↑↓ choose, q ends",
        now.version,
        now.sites.len(),
        shown(now.free),
    );
    Line::from(text).bold()
}

fn table(now: &Status, chosen: usize) -> Table<'static> {
    let rows = now.sites.iter().enumerate().map(|(at, site)| {
        let style = match (at == chosen, site.state == "serving") {
            (true, _) => Style::new().reversed(),
            (false, true) => Style::new(),
            (false, false) => Style::new().fg(Color::Red),
        };
        Row::new(cells(site)).style(style)
    });
    let widest = now.sites.iter().map(|site| site.name.len()).max();
    let mut widths = vec![Constraint::Length(widest.unwrap_or(0).max(8) as u16)];
    widths.extend(TITLES[1..].iter().map(|_| Constraint::Length(9)));
    Table::new(rows, widths).header(Row::new(TITLES).dim())
}

fn cells(site: &SiteStatus) -> [String; 10] {
    let latency = |of: fn(&crate::host::Latency) -> f64| {
        let latency = site.latency.as_ref().map(of);
        latency.map_or("-".to_owned(), |seconds| format!("{:.1}", seconds * 1000.0))
    };
    [
        site.name.clone(),
        site.state.clone(),
        format!("{:.1}", site.requests_per_second),
        latency(|it| it.p50),
        latency(|it| it.p95),
        latency(|it| it.p99),
        site.queued.to_string(),
        format!("{}/{}", site.busy, site.workers),
        shown(site.memory),
        site.failed.to_string(),
    ]
}

fn draw_charts(frame: &mut Frame<'_>, course: &Course, place: Rect) {
    let Some((site, past)) = course.closely() else {
        return;
    };
    let [above, below] = Layout::vertical([Constraint::Fill(1); 2]).areas(place);
    let halves = |place| Layout::horizontal([Constraint::Fill(1); 2]).areas::<2>(place);
    let ([one, two], [three, four]) = (halves(above), halves(below));
    let for_ = ago(site.seconds);
    let name = &site.name;
    let charts = [
        (
            one,
            format!("{name}, {} for {for_}: requests/s", site.state),
            &past.rate,
        ),
        (two, "app, p95, ms".to_owned(), &past.latency),
        (three, "waiting for a worker".to_owned(), &past.queue),
        (four, "memory of workers, MiB".to_owned(), &past.memory),
    ];
    for (place, title, values) in charts {
        draw_chart(frame, place, &title, values);
    }
}

/// The newest at the right edge.
fn draw_chart(frame: &mut Frame<'_>, place: Rect, title: &str, values: &VecDeque<u64>) {
    let now = values.back().copied().unwrap_or_default();
    let most = values.iter().copied().max().unwrap_or_default();
    let block = Block::bordered().title(format!(" {title}: {now} (most: {most}) "));
    let columns = block.inner(place).width as usize;
    let shown: Vec<u64> = values
        .iter()
        .skip(values.len().saturating_sub(columns))
        .copied()
        .collect();
    let before = vec![0; columns.saturating_sub(shown.len())];
    let chart = Sparkline::default()
        .data([before, shown].concat())
        .max(most.max(1))
        .style(Style::new().fg(Color::Cyan))
        .block(block);
    frame.render_widget(chart, place);
}

fn doubts(now: &Status) -> Vec<Line<'static>> {
    let of_sites = now.sites.iter().flat_map(|site| {
        let wrong = site.wrong.iter();
        wrong.map(|wrong| format!("{}: {}", site.name, wrong.message))
    });
    let of_host = now.wrong.iter().map(|wrong| wrong.message.clone());
    let all = of_host.chain(of_sites).take(DOUBTS);
    all.map(|said| Line::from(said).fg(Color::Yellow)).collect()
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    use super::*;

    fn site(name: &str) -> serde_json::Value {
        json!({
            "name": name, "hosts": [], "state": "serving", "seconds": 90, "release": 7, "releases": [7],
            "workers": 4, "busy": 3, "queued": 2, "memory": 64 << 20, "requests_per_second": 120.0,
            "answered": 9, "failed": 5, "latency": { "p50": 0.0012, "p95": 0.02, "p99": 0.31 },
            "processes": [], "disk": null, "backup_age": null, "certificate": null,
            "wrong": [{ "message": "the certificate runs out in 2 days", "hint": null }],
        })
    }

    #[test]
    fn a_line_a_site_charts_of_the_chosen_one_and_what_is_wrong() {
        let status = json!({
            "version": "1.2.3", "pid": 7, "free": 1_u64 << 40, "wrong": [], "sites": [site("blog"), site("shop")],
        });
        let mut course = Course::default();
        for _ in 0..500 {
            course.take(serde_json::from_value(status.clone()).unwrap());
        }
        course.choose(5);
        let mut terminal = Terminal::new(TestBackend::new(110, 24)).unwrap();
        terminal.draw(|frame| draw(frame, &course)).unwrap();
        let picture = terminal.backend().to_string();
        for words in [
            "2 sites   240.0 req/s",
            "120.0     1.2       20.0      310.0     2         3/4",
            "shop, serving for 90 s: requests/s: 120 (most: 120)",
            "app, p95, ms: 20 ",
            "waiting for a worker: 2 ",
            "memory of workers, MiB: 64 ",
            "blog: the certificate runs out in 2 days",
            "█",
        ] {
            assert!(picture.contains(words), "{words}\n{picture}");
        }
        // A terminal of nearly no size is drawn on, too.
        let mut terminal = Terminal::new(TestBackend::new(3, 2)).unwrap();
        terminal.draw(|frame| draw(frame, &course)).unwrap();
    }
}
