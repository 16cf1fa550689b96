//! The time of day as text, formatted once a second.

use std::cell::{Ref, RefCell};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// One second, in the three spellings that are needed. All are UTC.
#[derive(Debug, Default)]
pub(crate) struct Stamp {
    second: u64,
    /// RFC 9110, 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub(crate) http: String,
    /// Apache's: `06/Nov/1994:08:49:37 +0000`.
    pub(crate) combined: String,
    /// RFC 3339 without a fraction and zone: `1994-11-06T08:49:37`.
    pub(crate) rfc3339: String,
}

impl Stamp {
    fn of(since_epoch: Duration) -> Self {
        let second = since_epoch.as_secs();
        let http = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
        let (day, name, year, time) = (&http[5..7], &http[8..11], &http[12..16], &http[17..25]);
        let month = MONTHS.iter().position(|m| *m == name).unwrap_or(0) + 1;
        Self {
            second,
            combined: format!("{day}/{name}/{year}:{time} +0000"),
            rfc3339: format!("{year}-{month:02}-{day}T{time}"),
            http,
        }
    }
}

/// A clock of one thread.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    stamp: RefCell<Stamp>,
}

impl Clock {
    /// The texts for now, and the milliseconds since 1970.
    pub(crate) fn now(&self) -> (Ref<'_, Stamp>, u64) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        if self.stamp.borrow().second != now.as_secs() || self.stamp.borrow().http.is_empty() {
            *self.stamp.borrow_mut() = Stamp::of(now);
        }
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        (self.stamp.borrow(), millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_spelled_three_ways() {
        let stamp = Stamp::of(Duration::from_millis(784_111_777_250));
        assert_eq!(stamp.http, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(stamp.combined, "06/Nov/1994:08:49:37 +0000");
        assert_eq!(stamp.rfc3339, "1994-11-06T08:49:37");
    }
}
