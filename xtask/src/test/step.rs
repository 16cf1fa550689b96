//! The steps of `cargo xtask test`, in order. Their names are CI's step names.

use anyhow::Result;

use super::count::Count;
use super::{Context, checks, rust, sites};
use crate::setup::Need;

pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) needs: &'static [Need],
    /// A part of another step, for `--only`: a full run does not repeat it.
    pub(crate) part: bool,
    pub(crate) run: fn(&Context) -> Result<Outcome>,
}

/// What a step found. It failed when a test failed or there is a problem.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) tests: Count,
    /// Failures that are not a test's: a lint, a build, a process left behind.
    pub(crate) problems: Vec<String>,
    /// What was skipped and why, and other things to know.
    pub(crate) notes: Vec<String>,
}

impl Outcome {
    pub(crate) fn broken(problem: String) -> Self {
        Self {
            problems: vec![problem],
            ..Self::default()
        }
    }

    pub(crate) fn skipped(reason: &str) -> Self {
        let tests = Count {
            skipped: 1,
            ..Count::default()
        };
        Self {
            tests,
            notes: vec![reason.to_owned()],
            ..Self::default()
        }
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        self.tests += other.tests;
        self.problems.extend(other.problems);
        self.notes.extend(other.notes);
    }
}

const SITE_NEEDS: &[Need] = &[
    Need::Python,
    Need::Postgres,
    Need::NewerPostgres,
    Need::Browser,
    Need::Nghttp,
    Need::Https,
    Need::Nginx,
    Need::Strace,
    Need::CacheSuite,
    Need::Docker,
];

pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        about: "rustfmt finds nothing to change",
        needs: &[],
        part: false,
        run: checks::fmt,
    },
    Step {
        name: "clippy",
        about: "no lint, in no target of the workspace",
        needs: &[],
        part: false,
        run: checks::clippy,
    },
    Step {
        name: "deny",
        about: "licences, sources, duplicates and advisories of dependencies",
        needs: &[Need::Deny],
        part: false,
        run: checks::deny,
    },
    Step {
        name: "unit",
        about: "tests beside the code, and documentation examples",
        needs: &[Need::Python, Need::Postgres],
        part: false,
        run: rust::unit,
    },
    Step {
        name: "python",
        about: "ruff, mypy and the tests of python/",
        needs: &[Need::Python],
        part: false,
        run: sites::python,
    },
    Step {
        name: "integration",
        about: "every tests/ folder: the real program, real sites, a real browser",
        needs: SITE_NEEDS,
        part: false,
        run: |context| rust::integration(context, None),
    },
    Step {
        name: "wsgi",
        about: "of integration: tests with `wsgi` in their name",
        needs: SITE_NEEDS,
        part: true,
        run: |context| rust::integration(context, Some("wsgi")),
    },
    Step {
        name: "browser",
        about: "of integration: tests with `browser` in their name",
        needs: SITE_NEEDS,
        part: true,
        run: |context| rust::integration(context, Some("browser")),
    },
    Step {
        name: "fuzz",
        about: "the parsers, fed with what nobody would send, for some seconds each",
        needs: &[],
        part: false,
        run: checks::fuzz,
    },
    Step {
        name: "portfolio",
        about: "the example's own Django tests",
        needs: &[Need::Python],
        part: false,
        run: sites::portfolio,
    },
];
