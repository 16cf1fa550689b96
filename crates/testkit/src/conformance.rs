//! What is a request and what is none: reads the tables of `tests/conformance/`, a case a line, columns
//! between ` | `.

/// HTTP/1.1 and 1.0.
pub const HTTP1: &str = include_str!("../../../tests/conformance/http1.txt");
/// HTTP/2.
pub const HTTP2: &str = include_str!("../../../tests/conformance/http2.txt");

/// A line of a table.
#[derive(Debug)]
pub struct Case {
    pub line: usize,
    /// A status, `reset` or `goaway`.
    pub outcome: String,
    /// The connection ends with the answer.
    pub closes: bool,
    pub what: String,
    columns: Vec<String>,
}

impl Case {
    /// A column's text as it stands there; empty when there is none.
    pub fn column(&self, at: usize) -> &str {
        self.columns.get(at).map_or("", String::as_str)
    }

    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.outcome.parse().ok()
    }

    /// Whether a request of HTTP/1 is none: answered, and its connection closed.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.status() >= Some(400) && self.status() != Some(405)
    }

    /// Whether the app saw what the column says it must.
    pub fn check_seen(&self, at: usize, answer: &[u8]) {
        for fact in self.column(at).split(" ; ").filter(|fact| !fact.is_empty()) {
            let (missing, fact) = match fact.strip_prefix('!') {
                Some(name) => (true, format!("{name}=")),
                None => (false, fact.to_owned()),
            };
            let fact = bytes(&fact);
            let there = answer.split(|byte| *byte == b'\n').any(|line| {
                if missing {
                    line.starts_with(&fact)
                } else {
                    line == fact
                }
            });
            let (answer, fact) = (answer.escape_ascii(), fact.escape_ascii());
            assert_ne!(there, missing, "{fact} in {answer}");
        }
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, {}", self.line, self.what)
    }
}

/// All cases of a table, behind its introduction.
pub fn read(text: &str) -> Vec<Case> {
    text.lines()
        .enumerate()
        .skip_while(|(_, line)| !line.starts_with("=="))
        .filter(|(_, line)| !line.starts_with("==") && !line.is_empty())
        .map(|(at, line)| {
            let mut columns = split(line).into_iter();
            let first = columns.next().unwrap_or_default();
            let (outcome, what) = first.split_once("  ").expect("two spaces");
            Case {
                line: at + 1,
                outcome: outcome.split(' ').next().unwrap_or_default().to_owned(),
                closes: outcome.ends_with(" close"),
                what: what.to_owned(),
                columns: columns.collect(),
            }
        })
        .collect()
}

/// How many cases fail `check`; each is named.
pub fn failed<'c>(
    cases: impl IntoIterator<Item = &'c Case>,
    mut check: impl FnMut(&Case),
) -> usize {
    let mut failed = 0;
    for case in cases {
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(case)));
        if checked.is_err() {
            eprintln!("FAILED: {case}");
            failed += 1;
        }
    }
    failed
}

/// The columns of a line; a `|` between two of them may have nothing but spaces around it.
fn split(line: &str) -> Vec<String> {
    let mut columns = Vec::new();
    let mut rest = line;
    while let Some((column, behind)) = rest.split_once(" |").filter(|(_, b)| is_border(b)) {
        columns.push(column.trim().to_owned());
        rest = behind;
    }
    columns.push(rest.trim().to_owned());
    columns
}

fn is_border(behind: &str) -> bool {
    behind.is_empty() || behind.starts_with(' ')
}

/// The bytes that a column stands for.
pub fn bytes(text: &str) -> Vec<u8> {
    unescaped(&expanded(text).replace('⏎', "\\r\\n"))
}

/// The bytes of each line of a column, which ⏎ separates; of a line's first word and of the rest.
pub fn words(text: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let both = |line: &str| {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        (unescaped(name), unescaped(value))
    };
    let text = expanded(text);
    text.split('⏎')
        .filter(|line| !line.is_empty())
        .map(both)
        .collect()
}

/// With everything written out that is to be repeated.
fn expanded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        let (inside, behind) = behind.split_once('}').expect("a closing brace");
        let (unit, count) = inside.rsplit_once('*').expect("a count");
        out.push_str(before);
        out.push_str(&unit.repeat(count.parse().expect("a number")));
        rest = behind;
    }
    out + rest
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        out.extend(before.as_bytes());
        rest = escaped(behind, &mut out);
    }
    out.extend(rest.as_bytes());
    out
}

fn escaped<'t>(rest: &'t str, out: &mut Vec<u8>) -> &'t str {
    let (letter, behind) = rest.split_at(1);
    out.push(match letter {
        "r" => b'\r',
        "n" => b'\n',
        "t" => b'\t',
        "0" => 0,
        "\\" => b'\\',
        "x" => {
            out.push(u8::from_str_radix(&behind[..2], 16).expect("two digits"));
            return &behind[2..];
        }
        other => panic!("\\{other} is no escape"),
    });
    behind
}
