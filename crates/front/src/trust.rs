//! Whose word about the client is taken: proxies by address, and nobody unless configured.

use std::net::IpAddr;

/// Addresses and networks of proxies that may tell who the client is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    unix: bool,
    all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// A word that is no address, network, `unix` or `*`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is neither an address (10.0.0.1), a network (10.0.0.0/8), `unix` nor `*`")]
pub struct TrustError {
    pub word: String,
}

impl TrustedProxies {
    /// Reads addresses, CIDR networks, `unix` (whoever can open a Unix socket of ours) and `*`
    /// (everybody).
    ///
    /// # Errors
    /// At the first word that is none of these.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, TrustError> {
        let mut trusted = Self::default();
        for word in words {
            match word.trim() {
                "*" => trusted.all = true,
                "unix" => trusted.unix = true,
                other => trusted.networks.push(Network::parse(other)?),
            }
        }
        Ok(trusted)
    }

    /// Whether a peer is trusted; `None` is a peer on a Unix socket.
    #[must_use]
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        self.all
            || match peer {
                None => self.unix,
                Some(address) => {
                    let address = address.to_canonical();
                    self.networks.iter().any(|n| n.contains(address))
                }
            }
    }

    /// The client, by the `X-Forwarded-For` values that a trusted peer sent, in order: read from the
    /// right, past the proxies that are trusted. `None` when they tell nothing.
    #[must_use]
    pub fn client<'a>(
        &self,
        forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Option<IpAddr> {
        let mut client = None;
        for entry in forwarded_for
            .rev()
            .flat_map(|line| line.rsplit(|b| *b == b','))
        {
            let Some(address) = parse_entry(entry) else {
                break;
            };
            client = Some(address);
            if !self.trusts(Some(address)) {
                break;
            }
        }
        client
    }
}

impl Network {
    fn parse(word: &str) -> Result<Self, TrustError> {
        let (address, bits) = word
            .split_once('/')
            .map_or((word, None), |(address, bits)| (address, Some(bits)));
        let wrong = || TrustError {
            word: word.to_owned(),
        };
        let address = address
            .parse::<IpAddr>()
            .map_err(|_| wrong())?
            .to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(text) => text
                .parse()
                .ok()
                .filter(|bits| *bits <= most)
                .ok_or_else(wrong)?,
        };
        Ok(Self { address, bits })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let differ = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        differ >= u32::from(self.bits)
    }
}

/// `1.2.3.4`, `1.2.3.4:5678`, `::1` or `[::1]:5678`.
fn parse_entry(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => match text.split_once(':') {
            Some((v4, port)) if !port.contains(':') => v4,
            _ => text,
        },
    };
    Some(bare.parse::<IpAddr>().ok()?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(words: &[&str]) -> TrustedProxies {
        TrustedProxies::parse(words.iter().copied()).unwrap()
    }

    fn client(words: &[&str], lines: &[&str]) -> Option<String> {
        let lines = lines.iter().map(|l| l.as_bytes());
        trusted(words).client(lines).map(|a| a.to_string())
    }

    #[test]
    fn nobody_is_trusted_by_default() {
        let nobody = TrustedProxies::default();
        assert!(!nobody.trusts(None));
        assert!(!nobody.trusts("127.0.0.1".parse().ok()));
    }

    #[test]
    fn networks_contain_their_addresses_only() {
        let some = trusted(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "unix"]);
        for yes in ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.7", "2001:db8::1"] {
            assert!(some.trusts(yes.parse().ok()), "{yes}");
        }
        for no in ["11.0.0.1", "192.0.2.8", "2001:db9::1", "::1"] {
            assert!(!some.trusts(Some(no.parse().unwrap())), "{no}");
        }
        assert!(some.trusts(None));
        assert!(trusted(&["0.0.0.0/0"]).trusts("8.8.8.8".parse().ok()));
        for wrong in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "example.com",
            "10.0.0.0/8/8",
        ] {
            assert!(TrustedProxies::parse([wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_client_is_the_last_address_that_is_not_a_proxy() {
        let words = ["10.0.0.0/8"];
        for (lines, expected) in [
            (vec!["203.0.113.9"], Some("203.0.113.9")),
            (vec!["6.6.6.6, 203.0.113.9"], Some("203.0.113.9")),
            (vec!["6.6.6.6, 203.0.113.9, 10.0.0.3"], Some("203.0.113.9")),
            (
                vec!["6.6.6.6", "203.0.113.9", "10.0.0.3"],
                Some("203.0.113.9"),
            ),
            (vec!["10.0.0.1, 10.0.0.2"], Some("10.0.0.1")),
            (vec!["203.0.113.9:4711"], Some("203.0.113.9")),
            (vec!["[2001:db8::1]:80"], Some("2001:db8::1")),
            (vec!["unknown"], None),
            (vec!["203.0.113.9, nonsense, 10.0.0.1"], Some("10.0.0.1")),
            (vec![""], None),
        ] {
            assert_eq!(client(&words, &lines).as_deref(), expected, "{lines:?}");
        }
    }
}
