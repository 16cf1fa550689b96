use super::*;

fn told(header: &[u8]) -> Result<Option<(usize, String)>, HeaderError> {
    let show = |header: Header| {
        let told = header.told.map(|(from, to)| format!("{from} {to}"));
        (header.len, told.unwrap_or_default())
    };
    parse(header).map(|header| header.map(show))
}

fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &len, rest].concat()
}

const FOUR: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb];

fn six() -> Vec<u8> {
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    [
        &address("2001:db8::1")[..],
        &address("2001:db8::2"),
        &[0, 1, 0, 2],
    ]
    .concat()
}

#[test]
fn a_line_is_understood() {
    for (line, expected) in [
        (
            "TCP4 192.0.2.1 198.51.100.7 56324 443",
            "192.0.2.1:56324 198.51.100.7:443",
        ),
        (
            "TCP4 255.255.255.255 255.255.255.255 65535 65535",
            "255.255.255.255:65535 255.255.255.255:65535",
        ),
        ("TCP4 192.0.2.1 192.0.2.2 0 0", "192.0.2.1:0 192.0.2.2:0"),
        ("TCP6 2001:db8::1 ::1 1 2", "[2001:db8::1]:1 [::1]:2"),
        ("UNKNOWN", ""),
        ("UNKNOWN ffff::1 whatever \x01 1 2", ""),
    ] {
        let line = format!("PROXY {line}\r\n");
        let with_more = format!("{line}GET / HTTP/1.1\r\n");
        let expected = Ok(Some((line.len(), expected.to_owned())));
        assert_eq!(told(with_more.as_bytes()), expected, "{line}");
    }
}

#[test]
fn a_line_that_is_none_is_refused() {
    for line in [
        "TCP4 192.0.2.1 198.51.100.7 56324",
        "TCP4 192.0.2.1 198.51.100.7 56324 443 1",
        "TCP4 192.0.2.1 198.51.100.7 56324 443 ",
        "TCP4  192.0.2.1 198.51.100.7 56324 443",
        "TCP4 192.0.2.1 198.51.100.7 56324 65536",
        "TCP4 192.0.2.1 198.51.100.7 +5 443",
        "TCP4 192.0.2.1 198.51.100.7 05 443",
        "TCP4 192.0.2.1 198.51.100.7 5\t 443",
        "TCP4 192.0.2.01 198.51.100.7 5 443",
        "TCP4 192.0.2 198.51.100.7 5 443",
        "TCP4 ::1 ::1 5 443",
        "TCP6 192.0.2.1 192.0.2.1 5 443",
        "TCP6 [::1] ::1 5 443",
        "tcp4 192.0.2.1 198.51.100.7 5 443",
        "UDP4 192.0.2.1 198.51.100.7 5 443",
        "",
        " TCP4 192.0.2.1 198.51.100.7 5 443",
    ] {
        let line = format!("PROXY {line}\r\n");
        assert_eq!(told(line.as_bytes()), Err(HeaderError::Malformed), "{line}");
    }
    let bare = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n";
    assert_eq!(told(bare), Err(HeaderError::Malformed));
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
    assert_eq!(told(long.as_bytes()), Err(HeaderError::Malformed));
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
    assert_eq!(told(longest.as_bytes()), Ok(Some((107, String::new()))));
}

#[test]
fn what_is_something_else_is_seen_at_its_first_odd_byte() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"P\r",
        b"PROXY\t",
        b"\r\n\r\nG",
        b"\x16\x03\x01",
        b"PRI * HTTP/2.0",
    ] {
        assert_eq!(told(bytes), Err(HeaderError::Absent), "{bytes:?}");
    }
    assert_eq!(told(b""), Ok(None));
    assert_eq!(told(b"PRO"), Ok(None));
}

#[test]
fn the_binary_form_is_understood() {
    let four = "192.0.2.1:56324 198.51.100.7:443";
    let with_fields = [&FOUR[..], &[3, 0, 4, 1, 2, 3, 4], &[0x20; 500]].concat();
    for (header, expected) in [
        (binary(0x21, 0x11, &FOUR), four),
        (binary(0x21, 0x11, &with_fields), four),
        (
            binary(0x21, 0x21, &six()),
            "[2001:db8::1]:1 [2001:db8::2]:2",
        ),
        (binary(0x21, 0x31, &[b'/'; 216]), ""),
        (binary(0x21, 0x00, &[]), ""),
        (binary(0x20, 0x00, &[]), ""),
        (binary(0x20, 0x11, &FOUR), ""),
    ] {
        let expected = Ok(Some((header.len(), expected.to_owned())));
        assert_eq!(told(&header), expected, "{header:?}");
    }
}

#[test]
fn a_binary_form_that_is_none_is_refused() {
    for header in [
        binary(0x11, 0x11, &FOUR),
        binary(0x22, 0x11, &FOUR),
        binary(0x2f, 0x11, &FOUR),
        binary(0x21, 0x12, &FOUR),
        binary(0x21, 0x10, &FOUR),
        binary(0x21, 0x41, &FOUR),
        binary(0x21, 0x11, &FOUR[..11]),
        binary(0x21, 0x21, &FOUR),
        binary(0x21, 0x31, &[b'/'; 215]),
        binary(0x21, 0x11, &[0; 5000]),
    ] {
        assert_eq!(
            told(&header),
            Err(HeaderError::Malformed),
            "{:?}",
            &header[12..]
        );
    }
}

#[test]
fn a_header_is_the_same_however_it_was_split() {
    for header in [
        b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n".to_vec(),
        binary(0x21, 0x11, &FOUR),
        binary(0x21, 0x21, &six()),
    ] {
        for at in 0..header.len() {
            assert_eq!(told(&header[..at]), Ok(None), "{at} of {header:?}");
        }
        assert!(told(&header).unwrap().is_some());
    }
}
