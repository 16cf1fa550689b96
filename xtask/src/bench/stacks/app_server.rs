//! The app servers beside Hotclub, and what their documentation says about running them.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::bench::stack::Job;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum AppServer {
    /// Gunicorn with its default workers.
    Gunicorn,
    /// Gunicorn with threads: for proxies that keep connections, and for apps that wait.
    Gthread,
    Uwsgi,
    Granian,
    /// ASGI only: the bare app and Django's own ASGI handler.
    Uvicorn,
}

impl AppServer {
    pub(in crate::bench) const ALL: [Self; 5] = [
        Self::Gunicorn,
        Self::Gthread,
        Self::Uwsgi,
        Self::Granian,
        Self::Uvicorn,
    ];

    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Self::Gunicorn => "gunicorn",
            Self::Gthread => "gthread",
            Self::Uwsgi => "uwsgi",
            Self::Granian => "granian",
            Self::Uvicorn => "uvicorn",
        }
    }

    /// The command that serves the site's app at `address`; `bin` is the virtualenv's.
    pub(in crate::bench) fn command(self, job: &Job, address: SocketAddr, bin: &Path) -> Command {
        let workers = job.workers.to_string();
        let module = &job.site.module;
        let bind = address.to_string();
        let mut command;
        match self {
            Self::Gunicorn | Self::Gthread => {
                command = Command::new(bin.join("gunicorn"));
                command.args([module, "--bind", &bind, "--workers", &workers]);
                if self == Self::Gthread {
                    command.args(["--worker-class", "gthread", "--threads", "4"]);
                }
                if !job.with_front {
                    // Memory is compared with the thriftiest way to run it.
                    command.arg("--preload");
                }
            }
            Self::Uwsgi => {
                command = Command::new(bin.join("uwsgi"));
                // "Things to know" of its documentation: master, and the options that refuse to guess.
                let socket = if job.with_front { "--socket" } else { "--http" };
                command.args([socket, &bind, "--module", module, "--processes", &workers]);
                command.args(["--master", "--need-app", "--die-on-term", "--vacuum"]);
                command.args(["--single-interpreter", "--enable-threads", "--strict"]);
                command.args(["--disable-logging", "--listen", "128"]);
            }
            Self::Granian => {
                command = Command::new(bin.join("granian"));
                command.args(["--interface", "wsgi", "--workers", &workers]);
                // Without it, all of it ends with the first worker that does.
                command.arg("--respawn-failed-workers");
                command.args(["--host", &address.ip().to_string()]);
                command.args(["--port", &address.port().to_string(), module]);
            }
            Self::Uvicorn => {
                command = Command::new(bin.join("uvicorn"));
                command.args(["--workers", &workers, "--no-access-log"]);
                command.args(["--host", &address.ip().to_string()]);
                command.args(["--port", &address.port().to_string()]);
                command.arg(job.site.asgi_module.as_deref().unwrap_or(module));
            }
        }
        command.current_dir(&job.site.folder).envs(&job.site.env);
        command
    }

    pub(in crate::bench) fn refuses(self, job: &Job) -> Option<&'static str> {
        (self == Self::Uvicorn && job.site.asgi_module.is_none()).then_some("there is no ASGI app")
    }
}
