//! One value of each kind: text, numbers, durations, sizes and the grammars on top of them. A reading
//! returns the value or what is wrong with it; the key's name and its place are added by `read`.

use std::time::Duration;

use toml::de::DeValue;

/// What is wrong with a value.
pub(crate) struct Wrong {
    /// Completes "`key` must be …".
    pub(crate) expected: String,
    /// Stands beside the caret: what was found instead.
    pub(crate) found: String,
    /// The right-hand side that would be right, in TOML.
    pub(crate) example: Option<String>,
    pub(crate) hints: Vec<String>,
}

impl Wrong {
    /// A value of the right type that is not acceptable.
    pub(crate) fn value(expected: impl Into<String>, found: impl Into<String>) -> Wrong {
        let (expected, found) = (expected.into(), found.into());
        Wrong {
            expected,
            found,
            example: None,
            hints: Vec::new(),
        }
    }

    /// A value of another type.
    pub(crate) fn kind(value: &DeValue<'_>, expected: &str, example: &str) -> Wrong {
        let found = match value {
            DeValue::String(_) => "this is a text",
            DeValue::Integer(_) => "this is an integer",
            DeValue::Float(_) => "this is a float",
            DeValue::Boolean(_) => "this is a boolean",
            DeValue::Datetime(_) => "this is a date or time",
            DeValue::Array(_) => "this is a list",
            DeValue::Table(_) => "this is a table",
        };
        Wrong::value(expected, found).example(example)
    }

    pub(crate) fn example(mut self, example: impl Into<String>) -> Wrong {
        self.example = Some(example.into());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Wrong {
        self.hints.push(hint.into());
        self
    }
}

/// Writes a text as TOML does.
pub(crate) fn quoted(text: &str) -> String {
    let mut written = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            other if other.is_control() => written.push_str(&format!("\\u{:04X}", other as u32)),
            other => written.push(other),
        }
    }
    written + "\""
}

/// A text that is neither empty nor holds control characters; `example` is TOML.
pub(crate) fn text(value: &DeValue<'_>, example: &str) -> Result<String, Wrong> {
    let Some(text) = value.as_str() else {
        return Err(Wrong::kind(value, "a text", example));
    };
    if text.trim().is_empty() {
        return Err(Wrong::value("a text", "this is empty").example(example));
    }
    if text.contains(|c: char| c.is_control()) {
        return Err(Wrong::value("a text", "this holds a control character").example(example));
    }
    Ok(text.to_owned())
}

/// `true` or `false`.
pub(crate) fn boolean(value: &DeValue<'_>) -> Result<bool, Wrong> {
    value.as_bool().ok_or_else(|| match value.as_str() {
        Some(text @ ("true" | "false")) => Wrong::kind(value, "true or false", text),
        _ => Wrong::kind(value, "true or false", "true"),
    })
}

/// A whole number from `least` to `most`.
pub(crate) fn whole(value: &DeValue<'_>, least: u32, most: u32) -> Result<u32, Wrong> {
    let expected = match most {
        u32::MAX => format!("a whole number, at least {least}"),
        _ => format!("a whole number from {least} to {most}"),
    };
    let Some(integer) = value.as_integer() else {
        let meant = value
            .as_str()
            .and_then(|text| text.trim().parse::<u32>().ok());
        let example = meant
            .filter(|number| (least..=most).contains(number))
            .unwrap_or(least.max(1));
        return Err(Wrong::kind(value, &expected, &example.to_string()));
    };
    let digits = integer.as_str();
    let number = i128::from_str_radix(digits, integer.radix()).ok();
    let number = number.and_then(|number| u32::try_from(number).ok());
    match number {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        Some(number) if number < least => Err(Wrong::value(expected, "this is too small")),
        None if digits.starts_with('-') => Err(Wrong::value(expected, "this is too small")),
        _ => Err(Wrong::value(expected, "this is too large")),
    }
}

const DURATION_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// `"500ms"`, `"30s"`, `"2m"`, `"1h"`, `"7d"`; whole numbers and one unit.
pub(crate) fn duration(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    const EXPECTED: &str = "a duration";
    if let Some(number) = plain_number(value) {
        return Err(Wrong::kind(value, EXPECTED, &format!("\"{number}s\"")));
    }
    let Some(text) = value.as_str() else {
        return Err(Wrong::kind(value, EXPECTED, "\"30s\""));
    };
    let units = "the units are ms, s, m, h and d, with a whole number before them";
    match with_unit(text, &DURATION_UNITS) {
        Some(milliseconds) => Ok(Duration::from_millis(milliseconds)),
        None => Err(Wrong::value(EXPECTED, "this cannot be read")
            .example("\"30s\"")
            .hint(units)),
    }
}

/// Like `duration`, with `"1y"` (365 days).
pub(crate) fn long_duration(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    const YEAR: [(&str, u64); 1] = [("y", 365 * 86_400_000)];
    match value.as_str().and_then(|text| with_unit(text, &YEAR)) {
        Some(milliseconds) => Ok(Duration::from_millis(milliseconds)),
        None => duration(value),
    }
}

/// Like `duration`, but zero has no meaning.
pub(crate) fn positive_duration(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    let duration = duration(value)?;
    match duration.is_zero() {
        true => Err(Wrong::value("a duration longer than zero", "this is zero").example("\"30s\"")),
        false => Ok(duration),
    }
}

const SIZE_UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KIB", 1 << 10),
    ("MIB", 1 << 20),
    ("GIB", 1 << 30),
];

/// Bytes: `"512MB"` (thousands) or `"512MiB"` (1024s); large and small letters alike.
pub(crate) fn size(value: &DeValue<'_>) -> Result<u64, Wrong> {
    const EXPECTED: &str = "a size";
    if let Some(number) = plain_number(value) {
        return Err(Wrong::kind(value, EXPECTED, &format!("\"{number}B\"")));
    }
    let Some(text) = value.as_str() else {
        return Err(Wrong::kind(value, EXPECTED, "\"100MB\""));
    };
    bytes(text).map_err(|_| {
        Wrong::value(EXPECTED, "this cannot be read")
            .example("\"100MB\"")
            .hint(SizeError::UNITS)
    })
}

/// A text that is no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no size: write 512MB; {}", SizeError::UNITS)]
pub struct SizeError;

impl SizeError {
    const UNITS: &str = "the units are B, KB, MB, GB (thousands) and KiB, MiB, GiB (1024s)";
}

/// The bytes of a size as the file writes it, for the command line.
///
/// # Errors
/// When the text is no whole number with a unit.
pub fn bytes(text: &str) -> Result<u64, SizeError> {
    with_unit(&text.to_ascii_uppercase(), &SIZE_UNITS).ok_or(SizeError)
}

/// A size above zero.
pub(crate) fn positive_size(value: &DeValue<'_>) -> Result<u64, Wrong> {
    match size(value)? {
        0 => Err(Wrong::value("a size above zero", "this is zero").example("\"100MB\"")),
        bytes => Ok(bytes),
    }
}

/// A bare integer where a unit is missing.
fn plain_number(value: &DeValue<'_>) -> Option<u64> {
    value
        .as_integer()
        .and_then(|integer| integer.as_str().parse().ok())
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// One of a few words.
pub(crate) fn word<T: Copy>(value: &DeValue<'_>, words: &[(&str, T)]) -> Result<T, Wrong> {
    let names: Vec<String> = words.iter().map(|(name, _)| quoted(name)).collect();
    let expected = names.join(" or ");
    let first = words.first().map_or("", |(name, _)| name);
    let Some(text) = value.as_str() else {
        return Err(Wrong::kind(value, &expected, &quoted(first)));
    };
    if let Some((_, meaning)) = words.iter().find(|(name, _)| *name == text) {
        return Ok(*meaning);
    }
    let nearest = nearest(text, words.iter().map(|(name, _)| *name));
    let wrong = Wrong::value(expected, "this is neither");
    Err(match nearest {
        Some(nearest) => wrong.example(quoted(nearest)),
        None => wrong,
    })
}

/// The candidate that a slip of the hand may have turned into `text`.
pub(crate) fn nearest<'c>(
    text: &str,
    candidates: impl Iterator<Item = &'c str>,
) -> Option<&'c str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let wanted = plain(text);
    let scored = candidates.map(|name| (strsim::damerau_levenshtein(&plain(name), &wanted), name));
    let (distance, name) = scored.min_by_key(|(distance, _)| *distance)?;
    let extended = wanted.len() >= 3 && (name.starts_with(&wanted) || wanted.starts_with(name));
    (distance <= 1.max(wanted.chars().count() / 3) || extended).then_some(name)
}

/// `module.path:callable`, as WSGI and ASGI servers name an app. The callable may be left out.
pub(crate) fn application(value: &DeValue<'_>) -> Result<String, Wrong> {
    const EXAMPLE: &str = "\"portfolio.wsgi:application\"";
    let text = text(value, EXAMPLE)?;
    let (module, callable) = text.split_once(':').unwrap_or((&text, "application"));
    let wrong = |found: &str| Wrong::value("a module and its app", found).example(EXAMPLE);
    if text.ends_with(".py") || text.contains('/') {
        return Err(wrong("this is a file, but a module is wanted"));
    }
    if !is_dotted(module) || !is_dotted(callable.strip_suffix("()").unwrap_or(callable)) {
        return Err(wrong("this is no Python name"));
    }
    Ok(text)
}

/// `package.module`.
pub(crate) fn module(value: &DeValue<'_>) -> Result<String, Wrong> {
    const EXAMPLE: &str = "\"portfolio.settings\"";
    let text = text(value, EXAMPLE)?;
    if is_dotted(&text) && !text.ends_with(".py") {
        return Ok(text);
    }
    Err(Wrong::value("a module", "this is no Python module").example(EXAMPLE))
}

fn is_dotted(text: &str) -> bool {
    let identifier = |part: &str| {
        let starts_well = part.starts_with(|c: char| c.is_alphabetic() || c == '_');
        starts_well && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    text.split('.').all(identifier)
}
