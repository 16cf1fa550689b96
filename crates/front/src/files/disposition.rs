//! Content-Disposition of a file to be saved (RFC 6266, with RFC 8187 for names beyond ASCII).

use super::path;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// `attachment` with the last segment of `path` as the name to save it under: as it is where it is
/// plain ASCII, otherwise a plain approximation for old clients and the name itself for all others.
pub(super) fn attachment(path: &[u8]) -> Vec<u8> {
    let name = String::from_utf8_lossy(path::name(path));
    let mut value = b"attachment; filename=\"".to_vec();
    value.extend(
        name.chars()
            .map(|char| if is_plain(char) { char as u8 } else { b'_' }),
    );
    value.push(b'"');
    if !name.chars().all(is_plain) {
        value.extend_from_slice(b"; filename*=UTF-8''");
        name.bytes()
            .for_each(|byte| push_extended(&mut value, byte));
    }
    value
}

/// Needs no quoting inside a quoted string, and no client takes it for a path or an escape.
fn is_plain(char: char) -> bool {
    (char.is_ascii_graphic() || char == ' ') && !matches!(char, '"' | '\\' | '%' | '/')
}

/// attr-char of RFC 8187 as it is, everything else percent-encoded.
fn push_extended(value: &mut Vec<u8>, byte: u8) {
    if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
        value.push(byte);
    } else {
        let digit = |nibble: u8| HEX[usize::from(nibble & 15)];
        value.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte)]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_quoted_encoded_and_cut_to_the_last_segment() {
        for (path, value) in [
            (&b"a/b/page.html"[..], r#"attachment; filename="page.html""#),
            (b"two words.svg", r#"attachment; filename="two words.svg""#),
            (
                b"a\"b\\.svg",
                r#"attachment; filename="a_b_.svg"; filename*=UTF-8''a%22b%5C.svg"#,
            ),
            (
                "é.svg".as_bytes(),
                r#"attachment; filename="_.svg"; filename*=UTF-8''%C3%A9.svg"#,
            ),
            (
                b"\xe9.svg",
                r#"attachment; filename="_.svg"; filename*=UTF-8''%EF%BF%BD.svg"#,
            ),
            (
                b"50%.svg",
                r#"attachment; filename="50_.svg"; filename*=UTF-8''50%25.svg"#,
            ),
            (
                b"a\r\nX: y",
                r#"attachment; filename="a__X: y"; filename*=UTF-8''a%0D%0AX%3A%20y"#,
            ),
        ] {
            assert_eq!(String::from_utf8(attachment(path)).unwrap(), value);
        }
    }

    proptest! {
        #[test]
        fn no_name_breaks_out_of_the_field(name in prop::collection::vec(any::<u8>(), 0..40)) {
            let value = attachment(&name);
            prop_assert!(value.iter().all(|byte| (b' '..=b'~').contains(byte)));
            prop_assert_eq!(value.iter().filter(|byte| **byte == b'"').count(), 2);
        }
    }
}
