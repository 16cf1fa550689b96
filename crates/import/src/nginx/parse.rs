//! NGINX's grammar: words, quotes, comments, blocks. What a directive means is not known here.

use thiserror::Error;

/// A directive as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) block: Option<Vec<Directive>>,
}

#[derive(Debug, Error, PartialEq, Eq)]
#[error("line {line}: {reason}")]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) reason: &'static str,
}

/// How deep blocks may be nested; NGINX itself knows four levels.
const MAX_DEPTH: usize = 32;

pub(super) fn parse(text: &str) -> Result<Vec<Directive>, SyntaxError> {
    let mut parser = Parser {
        text: text.strip_prefix('\u{feff}').unwrap_or(text),
        at: 0,
        line: 1,
    };
    parser.block(0)
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Semicolon,
    Open,
    Close,
    End,
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl Parser<'_> {
    fn fault(&self, reason: &'static str) -> SyntaxError {
        SyntaxError {
            line: self.line,
            reason,
        }
    }

    /// Until its brace closes, or at the top until the text ends.
    fn block(&mut self, depth: usize) -> Result<Vec<Directive>, SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(self.fault("blocks are nested too deep"));
        }
        let mut directives = Vec::new();
        loop {
            self.skip_blanks();
            let line = self.line;
            let name = match self.token()? {
                Token::Word(name) => name,
                Token::Close if depth > 0 => return Ok(directives),
                Token::End if depth == 0 => return Ok(directives),
                Token::End => return Err(self.fault("a block is not closed: `}` is missing")),
                Token::Close => return Err(self.fault("this `}` closes nothing")),
                Token::Open => return Err(self.fault("this `{` has no directive before it")),
                // NGINX refuses it, and it means nothing.
                Token::Semicolon => continue,
            };
            directives.push(self.directive(line, name, depth)?);
        }
    }

    fn directive(
        &mut self,
        line: usize,
        name: String,
        depth: usize,
    ) -> Result<Directive, SyntaxError> {
        let mut args = Vec::new();
        loop {
            match self.token()? {
                Token::Word(word) => args.push(word),
                Token::Semicolon => {
                    return Ok(Directive {
                        line,
                        name,
                        args,
                        block: None,
                    });
                }
                Token::Open => {
                    let block = Some(self.block(depth + 1)?);
                    return Ok(Directive {
                        line,
                        name,
                        args,
                        block,
                    });
                }
                Token::Close => {
                    return Err(SyntaxError {
                        line,
                        reason: "this directive ends without `;`",
                    });
                }
                Token::End => {
                    return Err(SyntaxError {
                        line,
                        reason: "this directive is not ended: `;` is missing",
                    });
                }
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn skip_blanks(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                c if c.is_whitespace() => {
                    self.next();
                }
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.next();
                    }
                }
                _ => return,
            }
        }
    }

    fn token(&mut self) -> Result<Token, SyntaxError> {
        self.skip_blanks();
        match self.peek() {
            None => Ok(Token::End),
            Some(';') => Ok(self.single(Token::Semicolon)),
            Some('{') => Ok(self.single(Token::Open)),
            Some('}') => Ok(self.single(Token::Close)),
            Some(quote @ ('"' | '\'')) => self.quoted(quote),
            Some(_) => Ok(self.word()),
        }
    }

    fn single(&mut self, token: Token) -> Token {
        self.next();
        token
    }

    fn quoted(&mut self, quote: char) -> Result<Token, SyntaxError> {
        let line = self.line;
        self.next();
        let mut word = String::new();
        while let Some(c) = self.next() {
            match c {
                c if c == quote => return Ok(Token::Word(word)),
                '\\' => self.escaped(&mut word),
                c => word.push(c),
            }
        }
        Err(SyntaxError {
            line,
            reason: "a quote is not closed",
        })
    }

    /// A backslash stays before everything that it does not escape: it is a regular expression's.
    fn escaped(&mut self, word: &mut String) {
        match self.peek() {
            Some(c @ ('"' | '\'' | '\\' | ' ' | ';' | '{' | '}')) => {
                if c == '\\' {
                    word.push('\\');
                }
                word.push(c);
                self.next();
            }
            Some('t') => self.control('\t', word),
            Some('n') => self.control('\n', word),
            Some('r') => self.control('\r', word),
            _ => word.push('\\'),
        }
    }

    fn control(&mut self, c: char, word: &mut String) {
        self.next();
        word.push(c);
    }

    fn word(&mut self) -> Token {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            match c {
                c if c.is_whitespace() => break,
                ';' | '}' => break,
                // `${name}` is a variable, and `{2}` of a regular expression has to be quoted.
                '{' if !word.ends_with('$') => break,
                '{' => {
                    while let Some(c) = self.next() {
                        word.push(c);
                        if c == '}' || c == '\n' {
                            break;
                        }
                    }
                }
                '\\' => {
                    self.next();
                    self.escaped(&mut word);
                }
                c => {
                    word.push(c);
                    self.next();
                }
            }
        }
        Token::Word(word)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_quotes_comments_and_blocks_are_read_with_their_lines() {
        let text = "# top\nuser www;\nserver { # here\n  listen [::]:80;\n  location ~ \\.php$ { return 200 \"a; b\"; }\n  set $x ${y}z;\n}\n";
        let found = parse(text).unwrap();
        assert_eq!(
            (
                found[0].line,
                found[0].name.as_str(),
                found[0].args.as_slice()
            ),
            (2, "user", &["www".to_owned()][..])
        );
        let server = found[1].block.as_ref().unwrap();
        assert_eq!(server[0].args, ["[::]:80"]);
        assert_eq!(server[1].args, ["~", "\\.php$"]);
        assert_eq!(server[1].block.as_ref().unwrap()[0].args, ["200", "a; b"]);
        assert_eq!(
            (server[2].line, server[2].args.clone()),
            (6, vec!["$x".to_owned(), "${y}z".to_owned()])
        );
    }

    #[test]
    fn what_is_broken_says_where() {
        for (text, line) in [
            ("a {\n b;\n", 3),
            ("a\n", 1),
            ("}\n", 1),
            ("a 'x;\n", 1),
            ("s {\n a\n}\n", 2),
            ("{", 1),
        ] {
            assert_eq!(parse(text).unwrap_err().line, line, "{text:?}");
        }
        assert!(parse(&"a {".repeat(10_000)).is_err());
    }

    fn written(directives: &[Directive]) -> String {
        let word = |word: &String| format!("'{}'", word.replace('\\', "\\\\").replace('\'', "\\'"));
        let one = |directive: &Directive| {
            let words: Vec<_> = std::iter::once(&directive.name)
                .chain(&directive.args)
                .map(word)
                .collect();
            let end = match &directive.block {
                Some(block) => format!("{{\n{}}}\n", written(block)),
                None => ";\n".to_owned(),
            };
            format!("{} {end}", words.join(" "))
        };
        directives.iter().map(one).collect()
    }

    fn without_lines(directives: Vec<Directive>) -> Vec<Directive> {
        let plain = |one: Directive| Directive {
            line: 0,
            block: one.block.map(without_lines),
            ..one
        };
        directives.into_iter().map(plain).collect()
    }

    fn any_directive() -> impl Strategy<Value = Directive> {
        let leaf = (
            "[a-z$~^./{};# '\"]{1,8}",
            prop::collection::vec("[a-z$./{};#\" ']{0,8}", 0..3),
        )
            .prop_map(|(name, args)| Directive {
                line: 0,
                name,
                args,
                block: None,
            });
        leaf.prop_recursive(3, 16, 4, |inner| {
            ("[a-z]{1,6}", prop::collection::vec(inner, 0..4)).prop_map(|(name, block)| Directive {
                line: 0,
                name,
                args: Vec::new(),
                block: Some(block),
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(directives in prop::collection::vec(any_directive(), 0..4)) {
            let directives: Vec<Directive> = directives;
            let read = parse(&written(&directives)).unwrap();
            prop_assert_eq!(without_lines(read), directives);
        }

        #[test]
        fn no_text_is_too_much(text in "[a-z{};'\"\\\\#$ \n]{0,80}") {
            let _ = parse(&text);
        }
    }
}
