//! How a log names a request, from the queue message that carried it.

use hotclub_wire::{HEADER_LEN, RequestHeader};

/// Characters of a target that a log line shows.
const TARGET_MAX: usize = 300;

/// `GET /path?query (019aaf… #42)`: method, target, `X-Request-ID` and the number that the scoreboard shows.
pub(crate) fn request(message: &[u8]) -> String {
    let Ok(header) = RequestHeader::decode(message) else {
        return "?".to_owned();
    };
    let end = (HEADER_LEN + header.environ_len as usize).min(message.len());
    let environ = &message[HEADER_LEN..end];
    let method = escaped(field(environ, b"REQUEST_METHOD").unwrap_or(b"?"));
    let number = header.id;
    let id = match field(environ, b"HTTP_X_REQUEST_ID") {
        Some(id) => format!("{} #{number}", escaped(id)),
        None => format!("#{number}"),
    };
    format!("{method} {} ({id})", target(environ))
}

fn target(environ: &[u8]) -> String {
    let path = field(environ, b"PATH_INFO").unwrap_or_default();
    let query = field(environ, b"QUERY_STRING").unwrap_or_default();
    let mut text = escaped(field(environ, b"SCRIPT_NAME").unwrap_or_default());
    text.push_str(&escaped(path));
    if !query.is_empty() {
        text.push('?');
        text.push_str(&escaped(query));
    }
    // Escaped text is ASCII: any place is between two characters.
    if text.len() > TARGET_MAX {
        text.truncate(TARGET_MAX);
        text.push('…');
    }
    text
}

fn field<'a>(environ: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut parts = environ.split(|byte| *byte == 0);
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        if key == name {
            return Some(value);
        }
    }
    None
}

fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hotclub_wire::{EnvironWriter, RequestKind};

    fn message(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut environ = EnvironWriter::with_capacity(64);
        for (name, value) in pairs {
            environ.set(name.as_bytes(), value.as_bytes()).unwrap();
        }
        let header = RequestHeader {
            kind: RequestKind::Request,
            body_by_descriptor: false,
            lane: 0,
            environ_len: u32::try_from(environ.len()).unwrap(),
            id: 7,
            body_len: 0,
            queued_at: 0,
        };
        environ.finish(header)
    }

    #[test]
    fn a_request_is_named_by_method_target_and_ids() {
        let pairs = [
            ("REQUEST_METHOD", "GET"),
            ("PATH_INFO", "/a"),
            ("QUERY_STRING", "b=1"),
            ("HTTP_X_REQUEST_ID", "x-1"),
        ];
        assert_eq!(request(&message(&pairs)), "GET /a?b=1 (x-1 #7)");
    }

    #[test]
    fn control_characters_cannot_forge_a_line() {
        let pairs = [
            ("REQUEST_METHOD", "GET"),
            ("PATH_INFO", "/a\r\nERROR \u{1b}[2J"),
        ];
        assert_eq!(request(&message(&pairs)), r"GET /a\r\nERROR \x1b[2J (#7)");
    }

    #[test]
    fn what_is_no_message_has_a_name_too() {
        assert_eq!(request(b"short"), "?");
    }
}
