//! Starting the real program.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::cgroup::Cgroup;
use crate::program::Program;
use crate::project::Project;

/// What of the tests' own environment the program sees: a developer's settings must not.
const PASSED_ON: [&str; 9] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LLVM_PROFILE_FILE",
];
const PASSED_ON_STARTS: [&str; 2] = ["PIP_", "UV_"];

/// A command line of `hotclub` in the making.
#[derive(Debug)]
pub struct Launch {
    command: Command,
    mark: String,
    allowed: Vec<String>,
    folder: Option<PathBuf>,
    contained: bool,
}

/// A program that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// `None` after a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Launch {
    /// `binary` is `env!("CARGO_BIN_EXE_hotclub")`.
    pub fn new(binary: impl AsRef<OsStr>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mark = format!(
            "HOTCLUB_TEST_MARK={}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::SeqCst)
        );
        let mut command = Command::new(binary);
        let passes = |name: &str| {
            PASSED_ON.contains(&name)
                || PASSED_ON_STARTS.iter().any(|start| name.starts_with(start))
        };
        let environment = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(passes));
        command.env_clear().envs(environment.collect::<Vec<_>>());
        if let Some((name, value)) = mark.split_once('=') {
            command.env(name, value);
        }
        command.process_group(0).stdin(Stdio::null());
        Self {
            command,
            mark,
            allowed: Vec::new(),
            folder: None,
            contained: false,
        }
    }

    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// A folder first on PATH.
    pub fn on_path(self, folder: &Path) -> Self {
        let mut path = OsString::from(folder);
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        self.env("PATH", path)
    }

    /// The folder it is started in.
    pub fn within(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// State of its own for this project, and every process that works in it counts as the program's.
    pub fn of(mut self, project: &Project) -> Self {
        self.folder = Some(project.base().to_owned());
        let tools = project.tools();
        self.env("XDG_STATE_HOME", project.state()).on_path(&tools)
    }

    /// Lines on stderr that contain this are no fault.
    pub fn allow(mut self, text: &str) -> Self {
        self.allowed.push(text.to_owned());
        self
    }

    /// Runs it as a user without privileges, with a copy of the program that this user can reach.
    pub fn unprivileged(mut self) -> Self {
        if !rustix::process::geteuid().is_root() {
            return self;
        }
        let folder = self.folder.clone().expect("a project keeps the copy");
        let copy = folder.join("hotclub");
        if !copy.exists() {
            std::fs::copy(self.command.get_program(), &copy).expect("the program can be copied");
        }
        let setpriv = ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"];
        self.wrap("setpriv", &setpriv, copy.as_os_str());
        self
    }

    /// Runs it as process 1 of a PID namespace that it enters from a session outside, as `docker exec` does;
    /// `options` are further ones of unshare(1). The reason, where the kernel does not let us.
    pub fn contained(mut self, options: &[&str]) -> Result<Self, String> {
        let mut all = vec!["--pid", "--fork", "--kill-child"];
        if !rustix::process::geteuid().is_root() {
            all.extend(["--user", "--map-root-user"]);
        }
        all.extend(options);
        let probe = Command::new("unshare").args(&all).arg("true").output();
        match probe {
            Ok(probe) if probe.status.success() => {}
            Ok(probe) => return Err(String::from_utf8_lossy(&probe.stderr).into_owned()),
            Err(error) => return Err(format!("unshare: {error}")),
        }
        let program = self.command.get_program().to_owned();
        self.wrap("unshare", &all, &program);
        self.contained = true;
        Ok(self)
    }

    /// Runs it, and with it all that it starts, in this cgroup.
    pub fn confined(mut self, cgroup: &Cgroup) -> Self {
        let program = self.command.get_program().to_owned();
        let members = cgroup.members();
        let members = members.to_str().expect("its name is plain");
        let enter = r#"shift; echo $$ > "$0" && exec "$@""#;
        self.wrap("sh", &["-c", enter, members], &program);
        self
    }

    /// The same command, `program` in the place of what it started, started by `outer`.
    fn wrap(&mut self, outer: &str, options: &[&str], program: &OsStr) {
        let mut command = Command::new(outer);
        command.args(options).arg("--").arg(program);
        command.args(self.command.get_args()).env_clear();
        let set = self.command.get_envs();
        command.envs(set.filter_map(|(name, value)| Some((name, value?))));
        if let Some(folder) = self.command.get_current_dir() {
            command.current_dir(folder);
        }
        command.process_group(0).stdin(Stdio::null());
        self.command = command;
    }

    /// Starts it and waits for nothing.
    pub fn start(mut self) -> Program {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self
            .command
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        let program = Program::new(child, self.mark, self.allowed, self.folder);
        if self.contained {
            program.contained()
        } else {
            program
        }
    }

    /// Starts it and waits until it serves.
    #[track_caller]
    pub fn serve(self) -> Program {
        self.start().serving()
    }

    /// Runs it to its end, which must come within `deadline`; nothing may be left over.
    #[track_caller]
    pub fn end_within(self, deadline: Duration) -> Ended {
        self.start().end_within(deadline)
    }

    /// Runs it to its end and expects exit code 1 and a message with a hint.
    #[track_caller]
    pub fn fail(self) -> Ended {
        let ended = self.end_within(Duration::from_secs(120));
        assert_eq!(ended.code, Some(1), "{}\n{}", ended.stdout, ended.stderr);
        ended
    }
}

impl Ended {
    /// The JSON objects on stdout, one a line.
    #[track_caller]
    pub fn events(&self) -> Vec<serde_json::Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        self.stdout.lines().map(parse).collect()
    }

    /// Panics unless stderr has this text.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(
            self.stderr.contains(text),
            "{text:?} is not in:\n{}",
            self.stderr
        );
        self
    }
}
