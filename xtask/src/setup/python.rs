//! The private virtualenv of tests, checks and bench, renewed when `python-requirements.txt` or the
//! Python below it changes.

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
    let venv = project::tools().join("venv");
    let python = venv.join("bin/python");
    let wanted = fs::read_to_string(project::root().join("xtask/python-requirements.txt"))?;
    let base = base_python(apt)?;
    let stamp = format!("{}\n{wanted}", base.text);
    let stamp_file = venv.join("made-from.txt");
    let current = fs::read_to_string(&stamp_file).is_ok_and(|made_from| made_from == stamp);
    if current && runs(&python) {
        return Ok(python);
    }
    make(&base.program, &venv)?;
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

fn make(base: &Path, venv: &Path) -> Result<()> {
    eprintln!("  making the virtualenv of the tests");
    if venv.exists() {
        fs::remove_dir_all(venv).with_context(|| format!("cannot remove {}", venv.display()))?;
    }
    command::quiet(Command::new(base).args(["-m", "venv"]).arg(venv), LIMIT)?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    command::quiet(
        pip.arg("xtask/python-requirements.txt")
            .current_dir(project::root()),
        LIMIT,
    )
    .map(drop)
}

fn runs(python: &Path) -> bool {
    let mut ask = Command::new(python);
    command::quiet(ask.args(["-c", "import django"]), Duration::from_secs(30)).is_ok()
}
