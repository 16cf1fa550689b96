//! A command line as words, the way a shell splits it, without running one.

/// The words of a command, or `None` when a quote is not closed or a shell would do more than split: pipes, lists,
/// substitutions, variables.
pub(crate) fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => quoted(&mut characters, '\'', word.get_or_insert_default())?,
            '"' => quoted(&mut characters, '"', word.get_or_insert_default())?,
            '\\' => match characters.next()? {
                '\n' => {}
                c => word.get_or_insert_default().push(c),
            },
            '|' | '&' | ';' | '<' | '>' | '`' | '$' | '(' | ')' => return None,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

fn quoted(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    quote: char,
    word: &mut String,
) -> Option<()> {
    loop {
        match characters.next()? {
            c if c == quote => return Some(()),
            '\\' if quote == '"' => match characters.peek()? {
                '"' | '\\' | '$' | '`' => word.extend(characters.next()),
                _ => word.push('\\'),
            },
            '$' | '`' if quote == '"' => return None,
            c => word.push(c),
        }
    }
}

/// The same command as one text.
pub(crate) fn joined(words: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./:@%+,=*~".contains(c);
    let quoted = |word: &String| match !word.is_empty() && word.chars().all(plain) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// The parts of a shell's list: `a && b; c`. Quotes are respected.
pub(crate) fn commands(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quote = None;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let last = parts.len() - 1;
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, ';' | '\n') => {
                parts.push(String::new());
                continue;
            }
            (None, '&' | '|') if characters.peek() == Some(&c) => {
                characters.next();
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts[last].push(c);
    }
    let trimmed = parts.iter().map(|part| part.trim().to_owned());
    trimmed.filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_split_as_a_shell_splits_them() {
        let split = |text| split(text).map(|words| words.join("|"));
        assert_eq!(
            split("a  'b c' \"d\\\"e\" f\\ g ''").as_deref(),
            Some("a|b c|d\"e|f g|")
        );
        for more in ["a | b", "a $HOME", "a `b`", "a 'b", "a && b", "a \"$(b)\""] {
            assert_eq!(split(more), None, "{more}");
        }
        assert_eq!(
            commands("a 'x && y' && b; c\nd"),
            ["a 'x && y'", "b", "c", "d"]
        );
    }

    proptest! {
        #[test]
        fn what_is_joined_is_split_into_the_same_words(words in prop::collection::vec("[ -~]{0,8}", 0..5)) {
            let words: Vec<String> = words;
            prop_assert_eq!(split(&joined(&words)), Some(words));
        }
    }
}
