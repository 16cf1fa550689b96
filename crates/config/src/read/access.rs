//! `[[access]]`, `[[rate]]`, `[headers]`, `[errors]` and `[maintenance]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::edge::{mount, network};
use super::reader::{Reader, Section};
use crate::access::{Access, Gate, Headers, Maintenance, PerTime, Rate};
use crate::defaults;
use crate::value::{self, Wrong};

const NETWORKS: &str = "[\"10.0.0.0/8\"]";

pub(super) fn gate(reader: &mut Reader, top: &mut Section<'_>) -> Gate {
    Gate {
        access: access(reader, top),
        rates: rates(reader, top),
        headers: headers(reader, top),
        errors: errors(reader, top),
        maintenance: maintenance(reader, top),
    }
}

fn access(reader: &mut Reader, top: &mut Section<'_>) -> Vec<Access> {
    let mut all: Vec<(String, Access)> = Vec::new();
    for mut section in reader.tables(top, "access") {
        let url = reader.require(&mut section, "url", mount, "\"/admin/\"");
        let users = file(reader, &mut section, "users", "\"users.txt\"");
        let realm = reader.get(&mut section, "realm", realm);
        let allow = reader.list(&mut section, "allow", NETWORKS, network);
        let deny = reader.list(&mut section, "deny", NETWORKS, network);
        let public = reader.get(&mut section, "public", value::boolean);
        let max_body = reader.get(&mut section, "max_body", value::positive_size);
        let key = section.key("url");
        let restricts = users.is_some() || allow.is_some() || deny.is_some();
        if public == Some(true) && restricts {
            let message = "this is public, and asks for users or addresses".to_owned();
            let hint = "remove one of the two".to_owned();
            reader.fault(&section.key("public"), message, Some(hint));
        }
        reader.end(section);
        let Some(url) = url else { continue };
        if let Some((earlier, _)) = all.iter().find(|(_, other)| other.url == url) {
            let message = format!("there are two [[access]] for `{url}`");
            reader.collision((earlier, &key), message, "make one of them".to_owned());
        }
        let access = Access {
            url,
            users,
            realm,
            allow: allow.unwrap_or_default(),
            deny: deny.unwrap_or_default(),
            public: public.unwrap_or(false),
            max_body,
        };
        all.push((key, access));
    }
    all.into_iter().map(|(_, access)| access).collect()
}

fn rates(reader: &mut Reader, top: &mut Section<'_>) -> Vec<Rate> {
    let mut all = Vec::new();
    for mut section in reader.tables(top, "rate") {
        let url = reader.require(&mut section, "url", mount, "\"/login/\"");
        let limit = reader.require(&mut section, "limit", per_time, "\"10/m\"");
        let burst = reader.get(&mut section, "burst", |v| value::whole(v, 1, 1_000_000));
        let methods = reader.list(&mut section, "methods", "[\"POST\"]", method);
        reader.end(section);
        if let (Some(url), Some(limit)) = (url, limit) {
            all.push(Rate {
                url,
                limit,
                burst: burst.unwrap_or(limit.count),
                methods: methods.unwrap_or_default(),
            });
        }
    }
    all
}

fn headers(reader: &mut Reader, top: &mut Section<'_>) -> Headers {
    let mut section = reader.table(top, "headers");
    let preset = reader.get(&mut section, "preset", |v| {
        value::word(v, &[("secure", true), ("none", false)])
    });
    let set = fields(reader, &mut section, "set");
    let replace = fields(reader, &mut section, "replace");
    let remove = reader.list(&mut section, "remove", "[\"X-Powered-By\"]", field_name);
    reader.end(section);
    let mut all = BTreeMap::new();
    let remove = remove.unwrap_or_default();
    let written = |name: &str| {
        let same = |other: &String| other.eq_ignore_ascii_case(name);
        set.keys().chain(replace.keys()).chain(&remove).any(same)
    };
    if preset == Some(true) {
        let preset = defaults::SECURE_HEADERS.iter();
        let preset = preset.filter(|(name, _)| !written(name));
        all.extend(preset.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    }
    all.extend(set);
    Headers {
        set: all,
        replace,
        remove,
    }
}

fn fields(
    reader: &mut Reader,
    section: &mut Section<'_>,
    key: &'static str,
) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for (name, span, value) in reader.free_table(section, key) {
        let place = format!("headers.{key}");
        if let Err(wrong) = checked_name(&name) {
            reader.wrong(&place, key, span, wrong);
            continue;
        }
        let text = value.get_ref().as_str();
        match text.filter(|text| text.bytes().all(|b| matches!(b, b' '..=b'~'))) {
            Some(text) => {
                fields.insert(name, text.trim().to_owned());
            }
            None => {
                let wrong = Wrong::value("texts of visible ASCII", "this is none");
                reader.wrong(&place, &name, value.span(), wrong);
            }
        }
    }
    fields
}

fn field_name(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = value::text(value, "[\"X-Powered-By\"]")?;
    checked_name(&text).map(|()| text)
}

/// Those that frame a message or speak for the connection are nobody's to write.
fn checked_name(name: &str) -> Result<(), Wrong> {
    const OURS: [&str; 9] = [
        "connection",
        "content-length",
        "content-range",
        "date",
        "keep-alive",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-encoding",
    ];
    const EXPECTED: &str = "named as header fields";
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(Wrong::value(EXPECTED, "this is no header's name"));
    }
    match OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
        true => Err(Wrong::value(EXPECTED, "this one belongs to the connection")),
        false => Ok(()),
    }
}

fn errors(reader: &mut Reader, top: &mut Section<'_>) -> BTreeMap<u16, PathBuf> {
    let mut pages = BTreeMap::new();
    for (name, span, value) in reader.free_table(top, "errors") {
        let status = name.parse::<u16>().ok();
        let Some(status) = status.filter(|status| (400..600).contains(status)) else {
            let wrong = Wrong::value("by status", "this is no status from 400 to 599");
            reader.wrong("errors", "404", span, wrong.example("\"errors/404.html\""));
            continue;
        };
        match value::text(value.get_ref(), "\"errors/404.html\"") {
            Ok(path) => {
                pages.insert(status, reader.dir().join(path));
            }
            Err(wrong) => reader.wrong(&format!("errors.{name}"), &name, value.span(), wrong),
        }
    }
    pages
}

fn maintenance(reader: &mut Reader, top: &mut Section<'_>) -> Maintenance {
    let mut section = reader.table(top, "maintenance");
    let allow = reader.list(&mut section, "allow", NETWORKS, network);
    let page = file(reader, &mut section, "page", "\"maintenance.html\"");
    let retry_after = reader.get(&mut section, "retry_after", value::positive_duration);
    reader.end(section);
    Maintenance {
        allow: allow.unwrap_or_default(),
        page,
        retry_after,
    }
}

fn file(
    reader: &mut Reader,
    section: &mut Section<'_>,
    key: &'static str,
    example: &str,
) -> Option<PathBuf> {
    let path = reader.get(section, key, |v| value::text(v, example))?;
    Some(reader.dir().join(path))
}

fn realm(value: &DeValue<'_>) -> Result<String, Wrong> {
    const EXAMPLE: &str = "\"Staff only\"";
    let text = value::text(value, EXAMPLE)?;
    let plain = |b: u8| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\');
    match text.bytes().all(plain) {
        true => Ok(text),
        false => Err(
            Wrong::value("plain ASCII without quotes", "this holds something else")
                .example(EXAMPLE),
        ),
    }
}

fn method(value: &DeValue<'_>) -> Result<String, Wrong> {
    const EXAMPLE: &str = "[\"POST\"]";
    let text = value::text(value, EXAMPLE)?;
    match text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
        true => Ok(text),
        false => Err(Wrong::value("a method in capitals", "this is none").example(EXAMPLE)),
    }
}

/// `"10/m"`: a count and a unit of time.
fn per_time(value: &DeValue<'_>) -> Result<PerTime, Wrong> {
    const EXPECTED: &str = "a count and a time";
    const EXAMPLE: &str = "\"10/m\"";
    let Some(text) = value.as_str() else {
        return Err(Wrong::kind(value, EXPECTED, EXAMPLE));
    };
    let seconds = |unit: &str| match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let read = text.split_once('/').and_then(|(count, unit)| {
        let count = count.trim().parse::<u32>().ok();
        let count = count.filter(|count| (1..=1_000_000).contains(count))?;
        let time = Duration::from_secs(seconds(unit.trim())?);
        Some(PerTime { count, time })
    });
    read.ok_or_else(|| {
        Wrong::value(EXPECTED, "this cannot be read")
            .example(EXAMPLE)
            .hint("a whole number from 1, and one of /s, /m, /h, /d")
    })
}
