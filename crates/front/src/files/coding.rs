//! Content codings, of ready-made siblings (`site.css.br`) and others, and which of them a client takes
//! (Accept-Encoding, RFC 9110, 12.5.3).

/// A longer field is not read: the client gets the plain file.
const LONGEST: usize = 1024;

/// How a representation is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    /// All but the plain file.
    pub(crate) const ENCODED: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// The name in Content-Encoding; empty for the plain file, which has no such field.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What a sibling's name ends in.
    pub(crate) fn suffix(self) -> &'static [u8] {
        match self {
            Self::Identity => b"",
            Self::Brotli => b".br",
            Self::Zstd => b".zst",
            Self::Gzip => b".gz",
        }
    }
}

/// The weights a client gave, in thousandths; `None` where it said nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    brotli: Option<u16>,
    zstd: Option<u16>,
    gzip: Option<u16>,
    identity: Option<u16>,
    any: Option<u16>,
}

impl Accepted {
    /// Reads the field's value. A malformed element counts as not said; of two for the same coding
    /// the last counts.
    pub(crate) fn read(value: &[u8]) -> Self {
        let mut accepted = Self::default();
        if value.len() > LONGEST {
            return accepted;
        }
        for element in value.split(|&byte| byte == b',') {
            if let Some((coding, weight)) = element_of(element) {
                accepted.note(coding, weight);
            }
        }
        accepted
    }

    fn note(&mut self, coding: &[u8], weight: u16) {
        let is = |name: &[u8]| coding.eq_ignore_ascii_case(name);
        let place = if is(b"br") {
            &mut self.brotli
        } else if is(b"gzip") || is(b"x-gzip") {
            &mut self.gzip
        } else if is(b"zstd") {
            &mut self.zstd
        } else if is(b"identity") {
            &mut self.identity
        } else if is(b"*") {
            &mut self.any
        } else {
            return;
        };
        *place = Some(weight);
    }

    /// The weight of `coding`, 0 if it is not acceptable. The plain file is the last resort where
    /// the client said nothing about it, and it is what remains when nothing is acceptable: the
    /// RFC allows that, and a 406 would help nobody.
    pub(crate) fn weight(&self, coding: Coding) -> u16 {
        let said = match coding {
            Coding::Identity => self.identity,
            Coding::Brotli => self.brotli,
            Coding::Zstd => self.zstd,
            Coding::Gzip => self.gzip,
        };
        said.or(self.any).unwrap_or(0)
    }
}

/// `coding [ ";" "q" "=" qvalue ]`
fn element_of(element: &[u8]) -> Option<(&[u8], u16)> {
    let mut pieces = element.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let coding = pieces.next().filter(|coding| !coding.is_empty())?;
    let weight = match pieces.next() {
        None => 1000,
        Some([b'q' | b'Q', b'=', value @ ..]) => thousandths(value)?,
        Some(_) => return None,
    };
    pieces.next().is_none().then_some((coding, weight))
}

/// `0`, `1`, `0.5`, `0.123`, `1.000`
fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = match value {
        [whole @ (b'0' | b'1')] => (*whole, &b""[..]),
        [whole @ (b'0' | b'1'), b'.', fraction @ ..] if fraction.len() <= 3 => (*whole, fraction),
        _ => return None,
    };
    let mut weight = u16::from(whole - b'0') * 1000;
    for (digit, scale) in fraction.iter().zip([100, 10, 1]) {
        weight += u16::from(digit.is_ascii_digit().then(|| digit - b'0')?) * scale;
    }
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The weights of br, zstd, gzip and identity.
    fn weights(value: &str) -> [u16; 4] {
        let accepted = Accepted::read(value.as_bytes());
        [Coding::Brotli, Coding::Zstd, Coding::Gzip, Coding::Identity]
            .map(|coding| accepted.weight(coding))
    }

    #[test]
    fn weights_of_usual_and_odd_fields() {
        let rows = [
            ("", [0, 0, 0, 0]),
            ("gzip, deflate, br, zstd", [1000, 1000, 1000, 0]),
            ("gzip, deflate", [0, 0, 1000, 0]),
            ("X-GZIP", [0, 0, 1000, 0]),
            ("br;q=0.5, gzip;q=1.0", [500, 0, 1000, 0]),
            ("br ; Q=0.123 ,zstd;q=0", [123, 0, 0, 0]),
            ("*", [1000, 1000, 1000, 1000]),
            ("*;q=0.3, br", [1000, 300, 300, 300]),
            ("identity;q=0, gzip;q=0.001", [0, 0, 1, 0]),
            ("gzip;q=0, *", [1000, 1000, 0, 1000]),
            ("gzip;q=2", [0, 0, 0, 0]),
            ("gzip;q=1.001", [0, 0, 0, 0]),
            (
                "gzip;q=-1, gzip;q=0.5555, gzip;q=, gzip;x=1, gzip;q=1;y",
                [0, 0, 0, 0],
            ),
            ("gzip;q=0., br;q=1.", [1000, 0, 0, 0]),
            (",,;,;q=1,=,br", [1000, 0, 0, 0]),
            ("brotli, gzi, gzipp", [0, 0, 0, 0]),
        ];
        for (value, expected) in rows {
            assert_eq!(weights(value), expected, "{value}");
        }
        assert_eq!(weights(&format!("br{}", " ".repeat(LONGEST))), [0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(value in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Accepted::read(&value);
        }

        #[test]
        fn weights_agree_with_a_plain_reading(
            items in prop::collection::vec((0..6usize, 0..=1000u16), 0..8),
        ) {
            let names = ["br", "zstd", "gzip", "identity", "*", "deflate"];
            let value: Vec<_> = items
                .iter()
                .map(|(name, weight)| format!("{};q={}.{:03}", names[*name], weight / 1000, weight % 1000))
                .collect();
            let last = |name: usize| items.iter().rev().find(|item| item.0 == name).map(|item| item.1);
            let expected = [0, 1, 2, 3].map(|name| last(name).or(last(4)).unwrap_or(0));
            prop_assert_eq!(weights(&value.join(" , ")), expected);
        }
    }
}
