//! How long a site's certificate is good for, and what to do when it is not for long.

use std::path::Path;
use std::time::SystemTime;

use hotclub_config::CertificateSource;
use serde::{Deserialize, Serialize};

use super::Wrong;
use crate::host::ask::Look;

const DAY: i64 = 86_400;
/// Renewals are due long before.
const SOON: i64 = 7 * DAY;

/// A certificate that the world is to believe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Certificate {
    /// `acme` or `own`.
    pub(crate) from: String,
    /// Below zero once it has run out; none while there is none.
    pub(crate) seconds_left: Option<i64>,
}

impl Certificate {
    /// `None`: the site is not reached by https, or only on this machine.
    pub(super) fn of(look: &Look, state: &Path) -> Option<Self> {
        let site = &look.site;
        if !look.is_https || site.all_hosts().next().is_none() {
            return None;
        }
        let (from, chain) = match &site.https.certificates {
            CertificateSource::Local => return None,
            CertificateSource::Own { certificate, .. } => {
                ("own", std::fs::read_to_string(certificate).ok())
            }
            CertificateSource::Acme => {
                let kept = hotclub_acme::stored(&state.join("https"), &site.name);
                ("acme", kept.map(|issued| issued.chain))
            }
        };
        let until = chain.as_deref().and_then(hotclub_acme::valid_until);
        Some(Self {
            from: from.to_owned(),
            seconds_left: until.map(left),
        })
    }

    /// What is wrong with it.
    pub(super) fn doubt(&self, source: &CertificateSource) -> Option<Wrong> {
        let message = match self.seconds_left {
            None => {
                "there is no certificate yet: visitors who come by https are refused".to_owned()
            }
            Some(left @ ..0) => format!("the certificate ran out {} days ago", -left / DAY),
            Some(left @ 0..SOON) => format!("the certificate runs out in {} days", left / DAY),
            Some(_) => return None,
        };
        let hint = match source {
            CertificateSource::Own { certificate, .. } => format!(
                "renew {}: it is taken within a second, without a reload",
                certificate.display()
            ),
            _ => "it is ordered again and again; the host's own output says what the authority \
                  answered (mostly: a name does not lead here, or port 80 is closed)"
                .to_owned(),
        };
        Some(Wrong {
            message,
            hint: Some(hint),
        })
    }
}

fn left(until: SystemTime) -> i64 {
    let seconds = |duration: std::time::Duration| duration.as_secs().cast_signed();
    match until.duration_since(SystemTime::now()) {
        Ok(left) => seconds(left),
        Err(error) => -seconds(error.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doubt(seconds_left: Option<i64>) -> Option<String> {
        let certificate = Certificate {
            from: "acme".to_owned(),
            seconds_left,
        };
        let said = certificate.doubt(&CertificateSource::Acme);
        said.map(|wrong| wrong.message)
    }

    #[test]
    fn a_certificate_is_doubted_when_it_is_missing_or_ends_soon() {
        assert!(doubt(None).is_some());
        assert_eq!(doubt(Some(30 * DAY)), None);
        assert!(doubt(Some(2 * DAY + 5)).unwrap().ends_with("in 2 days"));
        assert!(doubt(Some(-3 * DAY - 5)).unwrap().ends_with("3 days ago"));
    }
}
