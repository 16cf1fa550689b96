//! Reads how many tests passed, failed and were skipped from what test runners print.

use std::ops::AddAssign;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl Count {
    pub(crate) fn total(self) -> u64 {
        self.passed + self.failed + self.skipped
    }

    fn add(&mut self, number: u64, word: &str) {
        match word {
            "passed" | "xfailed" => self.passed += number,
            "failed" | "error" | "errors" | "failures" | "timed" | "exec" | "xpassed" => {
                self.failed += number;
            }
            "skipped" | "ignored" | "filtered" => self.skipped += number,
            _ => {}
        }
    }

    /// Adds `12 passed`, `1 timed out`, … wherever a number stands before a known word.
    fn add_phrases(&mut self, text: &str) {
        let words: Vec<_> = text
            .split([' ', ',', ';', '(', ')', '='])
            .filter(|word| !word.is_empty())
            .collect();
        for pair in words.windows(2) {
            if let Ok(number) = pair[0].parse() {
                self.add(number, pair[1]);
            }
        }
    }
}

/// `Summary [ 1.2s] 5/6 tests run: 3 passed (1 slow), 1 failed, 1 timed out, 2 skipped`
pub(crate) fn nextest(output: &str) -> Count {
    let mut count = Count::default();
    for line in output
        .lines()
        .filter(|line| line.trim_start().starts_with("Summary ["))
    {
        if let Some((_, results)) = line.split_once("run:") {
            count.add_phrases(results);
        }
    }
    count
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s`
pub(crate) fn cargo_test(output: &str) -> Count {
    let mut count = Count::default();
    for line in output.lines() {
        if let Some(results) = line.trim_start().strip_prefix("test result:") {
            count.add_phrases(results);
        }
    }
    count
}

/// `=== 3 passed, 1 skipped, 2 warnings in 0.12s ===`, with or without the frame.
pub(crate) fn pytest(output: &str) -> Count {
    let mut count = Count::default();
    let summary = output
        .lines()
        .rev()
        .find(|line| line.contains(" in ") && line.contains('s'));
    if let Some((results, _)) = summary.and_then(|line| line.rsplit_once(" in ")) {
        count.add_phrases(results);
    }
    count
}

/// `Ran 5 tests in 0.1s`, then `OK (skipped=1)` or `FAILED (failures=1, errors=1)`.
pub(crate) fn unittest(output: &str) -> Count {
    let mut count = Count::default();
    let mut ran = 0;
    for line in output.lines() {
        if let Some(rest) = line.strip_prefix("Ran ") {
            ran += rest
                .split(' ')
                .next()
                .and_then(|word| word.parse().ok())
                .unwrap_or(0);
        }
        let Some(results) = line
            .strip_prefix("OK")
            .or_else(|| line.strip_prefix("FAILED"))
        else {
            continue;
        };
        for part in results.trim_matches([' ', '(', ')']).split(", ") {
            if let Some((word, number)) = part.split_once('=') {
                count.add(number.parse().unwrap_or(0), word);
            }
        }
    }
    count.passed += u64::saturating_sub(ran, count.failed + count.skipped);
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Count {
        Count {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn nextest_counts_time_outs_as_failures_and_slow_tests_once() {
        let text = "     Summary [   1.2s] 5/6 tests run: 3 passed (1 slow), 1 failed, 1 timed out, 2 skipped";
        assert_eq!(nextest(text), counts(3, 2, 2));
    }

    #[test]
    fn nextest_without_tests_counts_nothing() {
        assert_eq!(
            nextest("     Summary [   0.000s] 0 tests run: 0 passed, 0 skipped"),
            counts(0, 0, 0)
        );
    }

    #[test]
    fn cargo_test_sums_its_binaries() {
        let text = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s\n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(cargo_test(text), counts(4, 1, 3));
    }

    #[test]
    fn pytest_is_read_with_and_without_its_frame() {
        assert_eq!(
            pytest("=== 1 failed, 3 passed, 1 skipped, 2 warnings, 1 error in 0.12s ==="),
            counts(3, 2, 1)
        );
        assert_eq!(pytest("....\n4 passed in 0.01s\n"), counts(4, 0, 0));
    }

    #[test]
    fn unittest_subtracts_what_did_not_pass() {
        assert_eq!(
            unittest("Ran 5 tests in 0.1s\n\nOK (skipped=1)\n"),
            counts(4, 0, 1)
        );
        assert_eq!(
            unittest("Ran 5 tests in 0.1s\n\nFAILED (failures=1, errors=1)"),
            counts(3, 2, 0)
        );
        assert_eq!(unittest("Ran 1 test in 0.1s\n\nOK\n"), counts(1, 0, 0));
    }
}
