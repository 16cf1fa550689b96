//! The grammar of env files, example by example, and its two laws: what `quote` writes reads back, and
//! no report shows a value.

use std::path::Path;

use hotclub_config::env_file::{EnvFile, parse, quote};
use proptest::prelude::*;

fn read(text: &str) -> EnvFile {
    parse(text, Path::new(".env")).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn the_grammar_by_example() {
    for (text, value) in [
        ("A=", ""),
        ("A=b", "b"),
        ("  export\tA = b c  ", "b c"),
        ("exportA=1", "?"),
        ("A=*", "*"),
        ("A=a#b", "a#b"),
        ("A=a # b", "a # b"),
        ("A=it's \"so\"", "it's \"so\""),
        ("A=C:\\new", "C:\\new"),
        ("A=$x ${y}", "$x ${y}"),
        (
            "A=postgres://u:p%40w@h/d?x=1&y=2",
            "postgres://u:p%40w@h/d?x=1&y=2",
        ),
        ("A='it is $x \\n'", "it is $x \\n"),
        ("A='a\r\nb' # comment", "a\nb"),
        ("A=\"a\\nb\\t\\\"\\\\\\$\\d\"", "a\nb\t\"\\$\\d"),
        (
            "A=\"-----BEGIN\nx=y\n-----END\"",
            "-----BEGIN\nx=y\n-----END",
        ),
        ("A=''", ""),
        ("A=\"\"\r\n", ""),
        ("\u{feff}A=b\r\n\r\n# c\r\n", "b"),
    ] {
        let file = read(text);
        let entry = &file.entries[0];
        if value == "?" {
            assert_eq!(entry.name, "exportA");
        } else {
            assert_eq!(
                (entry.name.as_str(), entry.value.expose()),
                ("A", value),
                "{text:?}"
            );
        }
    }
}

#[test]
fn lines_are_counted_through_multi_line_values() {
    let file = read("A='1\n2\n3'\n\nB=b\n");
    assert_eq!(
        file.entries
            .iter()
            .map(|entry| entry.line)
            .collect::<Vec<_>>(),
        [1, 5]
    );
}

#[test]
fn doubts_are_warnings_and_keep_the_data() {
    let file = read("A=a # b\nB=${A}\nC='${A} # fine'\nA=again\n");
    let said: Vec<(&str, Option<usize>)> = file
        .warnings
        .iter()
        .map(|w| (w.message.as_str(), w.place().map(|(_, line, _)| line)))
        .collect();
    assert_eq!(
        said,
        [
            ("this is set again below, and the last one wins", Some(1)),
            (
                "this `#` and what follows it are part of the value",
                Some(1)
            ),
            ("this is not expanded: `$` is literal", Some(2)),
        ]
    );
}

#[test]
fn faults_have_line_and_caret_and_hide_values() {
    let faults = parse(
        "A=1\n1X=hunter2\nNOPE hunter2\nE=\"a\"hunter2\nF=\"hunter2\nhunter2\n",
        Path::new(".env"),
    );
    let report = faults.unwrap_err().to_string();
    let report: Vec<&str> = report.lines().map(str::trim_end).collect();
    let expected = r#"error: this is no variable's name
 --> .env:2:1
  |
2 | **********
  | ^^
  |
  = hint: a name is letters, digits and `_`, and does not begin with a digit

error: this line is not KEY=value
 --> .env:3:1
  |
3 | ************
  | ^^^^^^^^^^^^
  |
  = hint: write KEY=value, or begin a comment with `#`

error: text follows this closing quote
 --> .env:4:5
  |
4 | E="*"*******
  |     ^
  |
  = hint: put the whole value in one pair of quotes; write a quote inside it as \"

error: this quote is never closed
 --> .env:5:3
  |
5 | F="*******
  |   ^
  |
  = hint: close the quote; a line break inside quotes is part of the value"#;
    assert_eq!(report.join("\n"), expected);
}

proptest! {
    #[test]
    fn what_quote_writes_reads_back(value in "[^\0]*") {
        let file = read(&format!("BEFORE=1\nKEY={}\nAFTER=2\n", quote(&value)));
        prop_assert_eq!(file.entries.len(), 3);
        prop_assert_eq!(file.entries[1].value.expose(), value);
    }

    #[test]
    fn quote_survives_the_characters_that_matter(value in "[\"'\\\\$#= \t\r\nn{}a\u{feff}é]{0,12}") {
        let file = read(&format!("KEY={}\r\n", quote(&value)));
        prop_assert_eq!(file.entries[0].value.expose(), value);
    }

    #[test]
    fn no_text_brings_the_reader_down(text in "[A-C=\"'\\\\$#{} \t\r\n\0é]{0,60}") {
        let _ = parse(&text, Path::new(".env")).map_err(|faults| faults.to_string());
    }

    #[test]
    fn no_report_shows_a_value(noise in "[A-C=\"' #\n${]{0,20}", end in "[\"'\n ]{0,3}") {
        let text = format!("{noise}=hunter2{end}");
        let report = match parse(&text, Path::new(".env")) {
            Ok(file) => format!("{}{file:?}", file.warnings),
            Err(faults) => faults.to_string(),
        };
        prop_assert!(!report.contains("hunter2"), "{}", report);
    }
}
