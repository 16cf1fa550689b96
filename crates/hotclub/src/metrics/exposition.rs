//! The text format of Prometheus, version 0.0.4: families with their help and type, samples with their labels.

use std::fmt::{Display, Write};

use hotclub_front::{BOUNDS, Distribution};

/// A text in the making.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// What the samples of a family are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Only grows, and begins anew with the program.
    Counter,
    Gauge,
    Histogram,
}

/// A name with its samples.
#[derive(Debug)]
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    /// Begins a family; `help` is one line.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        put(
            &mut self.0,
            format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"),
        );
        let text = &mut self.0;
        Family { text, name }
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl Display) -> &mut Self {
        self.line("", labels, None, value);
        self
    }

    /// All samples of a histogram: buckets that include those below them, sum and count.
    pub(super) fn distribution(&mut self, labels: Labels<'_>, of: &Distribution) -> &mut Self {
        let mut count = 0;
        let bounds = BOUNDS.iter().map(ToString::to_string);
        let bounds = bounds.chain(std::iter::once("+Inf".to_owned()));
        for (bound, in_bucket) in bounds.zip(of.buckets) {
            count += in_bucket;
            self.line("_bucket", labels, Some(&bound), count);
        }
        self.line("_sum", labels, None, of.sum);
        self.line("_count", labels, None, count);
        self
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, le: Option<&str>, value: impl Display) {
        let all = labels.iter().copied().chain(le.map(|bound| ("le", bound)));
        put(self.text, format_args!("{}{suffix}", self.name));
        let mut before = '{';
        for (name, value) in all {
            put(self.text, format_args!("{before}{name}=\""));
            escape(self.text, value);
            self.text.push('"');
            before = ',';
        }
        if before == ',' {
            self.text.push('}');
        }
        put(self.text, format_args!(" {value}\n"));
    }
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = text.write_fmt(what);
}

fn escape(text: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            _ => text.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_its_labels_escaped() {
        let mut text = Exposition::default();
        text.family("a_total", Kind::Counter, "What it is.")
            .sample(&[], 3)
            .sample(&[("site", "x\"\\\n"), ("code", "200")], 1.5);
        let expected = "# HELP a_total What it is.\n# TYPE a_total counter\na_total 3\n\
                        a_total{site=\"x\\\"\\\\\\n\",code=\"200\"} 1.5\n";
        assert_eq!(text.into_text(), expected);
    }

    #[test]
    fn the_buckets_of_a_histogram_include_those_below_them() {
        let mut of = Distribution::default();
        (of.buckets[0], of.buckets[2], of.buckets[16], of.sum) = (2, 1, 4, 200.25);
        let mut text = Exposition::default();
        text.family("a_seconds", Kind::Histogram, "Times.")
            .distribution(&[("site", "x")], &of);
        let text = text.into_text();
        for line in [
            "a_seconds_bucket{site=\"x\",le=\"0.0001\"} 2",
            "a_seconds_bucket{site=\"x\",le=\"0.0005\"} 2",
            "a_seconds_bucket{site=\"x\",le=\"0.001\"} 3",
            "a_seconds_bucket{site=\"x\",le=\"30\"} 3",
            "a_seconds_bucket{site=\"x\",le=\"+Inf\"} 7",
            "a_seconds_sum{site=\"x\"} 200.25",
            "a_seconds_count{site=\"x\"} 7",
        ] {
            assert!(
                text.lines().any(|other| other == line),
                "{line} is not in:\n{text}"
            );
        }
    }
}
