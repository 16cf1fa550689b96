//! The private virtualenvs of tests and checks, and of the bench, renewed when their lists of packages or
//! the Python below them changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::apt::Apt;
use crate::{command, project};

const LIMIT: Duration = Duration::from_secs(900);
/// Django's long-term line asks for this.
const OLDEST: (u32, u32) = (3, 10);
const PROBE: &str = "import ensurepip, sys, venv; print(*sys.version_info[:2], sys.executable)";

pub(super) fn provide(apt: &mut Apt) -> Result<PathBuf> {
    virtualenv(apt, "venv", "xtask/python-requirements.txt")
}

/// Apart, so that no peer comes into the tests' way.
pub(super) fn provide_for_bench(apt: &mut Apt) -> Result<PathBuf> {
    virtualenv(apt, "bench-venv", "xtask/bench-requirements.txt")
}

fn virtualenv(apt: &mut Apt, name: &str, list: &str) -> Result<PathBuf> {
    let venv = project::tools().join(name);
    let python = venv.join("bin/python");
    let wanted = fs::read_to_string(project::root().join(list))?;
    let base = base_python(apt)?;
    let stamp = format!("{}\n{wanted}", base.text);
    let stamp_file = venv.join("made-from.txt");
    let current = fs::read_to_string(&stamp_file).is_ok_and(|made_from| made_from == stamp);
    if current && runs(&python) {
        return Ok(python);
    }
    make(&base.program, &venv, list)?;
    // Written last: a virtualenv that was interrupted in the making has no stamp.
    fs::write(&stamp_file, stamp).context("cannot write the virtualenv's stamp")?;
    Ok(python)
}

struct Base {
    program: PathBuf,
    /// Version and path, which the virtualenv depends on.
    text: String,
}

/// `python3` of the PATH, or Debian's with python3-venv installed where the former cannot make one.
fn base_python(apt: &mut Apt) -> Result<Base> {
    let chosen = std::env::var_os("HOTCLUB_TEST_BASE_PYTHON").map(PathBuf::from);
    let on_path = chosen.or_else(|| project::on_path("python3"));
    if let Some(base) = on_path.as_deref().and_then(probe) {
        return checked(base);
    }
    apt.install(&["python3", "python3-venv"])?;
    let debian = probe(Path::new("/usr/bin/python3"));
    checked(debian.context("python3-venv is installed, but /usr/bin/python3 cannot make one")?)
}

fn probe(program: &Path) -> Option<Base> {
    let mut ask = Command::new(program);
    let answer = command::quiet(ask.args(["-c", PROBE]), Duration::from_secs(30)).ok()?;
    Some(Base {
        program: program.to_owned(),
        text: answer.trim().to_owned(),
    })
}

fn checked(base: Base) -> Result<Base> {
    let mut words = base.text.split(' ').map_while(|word| word.parse().ok());
    let version = (words.next().unwrap_or(0), words.next().unwrap_or(0));
    if version < OLDEST {
        bail!(
            "Python {}.{} is too old for the tests (Hotclub itself runs older ones)\n  \
             hint: set HOTCLUB_TEST_BASE_PYTHON to a Python ≥ {}.{}",
            version.0,
            version.1,
            OLDEST.0,
            OLDEST.1
        );
    }
    Ok(base)
}

fn make(base: &Path, venv: &Path, list: &str) -> Result<()> {
    eprintln!("  making the virtualenv of {list}");
    if venv.exists() {
        fs::remove_dir_all(venv).with_context(|| format!("cannot remove {}", venv.display()))?;
    }
    command::quiet(Command::new(base).args(["-m", "venv"]).arg(venv), LIMIT)?;
    let mut pip = pip_install(&venv.join("bin/python"));
    pip.arg("--requirement").arg(list);
    command::quiet(pip.current_dir(project::root()), LIMIT).map(drop)
}

/// `pip install` of that Python's, still without what it shall install.
pub(super) fn pip_install(python: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet"]);
    pip.arg("--disable-pip-version-check");
    pip
}

fn runs(python: &Path) -> bool {
    let mut ask = Command::new(python);
    command::quiet(ask.args(["-c", "import django"]), Duration::from_secs(30)).is_ok()
}
