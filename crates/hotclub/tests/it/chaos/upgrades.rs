//! Upgrades of the running program under load.

use std::time::Duration;

use hotclub_testkit::{Signal, Storm, Weather, descriptors, until};
use serde_json::json;

use super::{ECHO, count, get, record, weather};
use crate::ops::upgrade::{Installed, hotclub_upgrade, is_alive, send};

/// On half of the connections one request follows the other, the other half is made anew for each.
#[test]
fn upgrades_lose_nothing() {
    let installed = Installed::new(ECHO);
    let program = installed.launch("127.0.0.1:0").serve();
    let before = descriptors(program.pid()).len();
    let kept = weather(4, get);
    let fresh = Weather {
        keep_alive: false,
        pace: Duration::from_millis(2),
        ..kept
    };
    let [kept, fresh] = [&kept, &fresh].map(|weather| Storm::start(program.address(), weather));
    let times = count(10, 100);
    let mut all = vec![program.pid()];
    for _ in 0..times {
        let file = installed.pid_file.to_str().unwrap();
        let ended = hotclub_upgrade(&["--pid-file", file]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!all.contains(&installed.pid()));
        all.push(installed.pid());
        kept.more(20);
        fresh.more(20);
    }
    let [kept, fresh] = [kept, fresh].map(Storm::finish);
    record("upgrades_keep_alive", times, &kept, &json!({}));
    record("upgrades_close", times, &fresh, &json!({}));
    kept.lost_nothing();
    fresh.lost_nothing();
    let last = installed.pid();
    until("no descriptor more than before", || {
        (descriptors(last).len() <= before).then_some(())
    });
    send(last, Signal::TERM);
    until("all programs to leave", || {
        (!all.iter().any(|pid| is_alive(*pid))).then_some(())
    });
    assert!(!installed.pid_file.exists());
    let ended = program.end_within(Duration::from_secs(10));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
