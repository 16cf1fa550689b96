//! `hotclub serve`: Gunicorn's names where Gunicorn has them.

use std::path::PathBuf;

use hotclub_config::{Listen, Local};

#[derive(Debug, clap::Args)]
// The last of several wins, as with Gunicorn: scripts append to a command.
#[command(args_override_self = true)]
pub(crate) struct ServeArgs {
    /// The app: MODULE:ATTRIBUTE, MODULE:FACTORY() or MODULE (then `application`)
    #[arg(value_name = "MODULE:APP")]
    pub(crate) app: String,

    /// Listen on HOST:PORT, [IPv6]:PORT, :PORT, https://HOST:PORT or unix:PATH (repeatable) [default: 127.0.0.1:8000, or 0.0.0.0:$PORT]
    #[arg(long, short, value_name = "ADDR")]
    pub(crate) bind: Vec<Listen>,

    /// Certificate chain (PEM): every --bind is HTTPS, or those that begin with https://, if any does
    #[arg(long, value_name = "FILE")]
    pub(crate) certfile: Option<PathBuf>,

    /// The certificate's private key (PEM) [default: in --certfile]
    #[arg(long, value_name = "FILE", requires = "certfile")]
    pub(crate) keyfile: Option<PathBuf>,

    /// Worker processes [default: $WEB_CONCURRENCY, or 1]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=512))]
    pub(crate) workers: Option<u32>,

    /// Threads in each worker
    #[arg(long, value_name = "N", default_value = "1",
          value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) threads: u32,

    /// Seconds a request may take, in every mode; 0 for no limit
    #[arg(long, short, value_name = "SECONDS", default_value = "30")]
    pub(crate) timeout: u64,

    /// Seconds that workers have to finish their requests when they are told to leave
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    pub(crate) graceful_timeout: u64,

    /// Requests that may wait for a worker; beyond it 503 at once
    #[arg(long, value_name = "N", default_value_t = hotclub_config::defaults::MAX_QUEUE)]
    pub(crate) backlog: u32,

    /// Set a limit of hotclub.toml's [limits], such as idle_timeout=30s (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) limit: Vec<String>,

    /// Recycle a worker after this many requests; 0 for never
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) max_requests: u64,

    /// Add up to this many requests to --max-requests, different for each worker
    #[arg(long, value_name = "N", default_value = "0")]
    pub(crate) max_requests_jitter: u64,

    /// Recycle a worker whose resident memory passes this size, such as 512MB [default: never]
    #[arg(long, value_name = "SIZE", value_parser = hotclub_config::bytes)]
    pub(crate) max_worker_memory: Option<u64>,

    /// Recycle a worker after this many seconds, and up to a tenth more, different for each worker; 0 for never
    #[arg(long, value_name = "SECONDS", default_value = "0")]
    pub(crate) max_worker_lifetime: u64,

    /// Import the app before forking the workers (the default; saves memory)
    #[arg(long, overrides_with = "no_preload")]
    pub(crate) preload: bool,

    /// Import the app in each worker
    #[arg(long)]
    pub(crate) no_preload: bool,

    /// Change to this folder before the app is imported
    #[arg(long, value_name = "DIR")]
    pub(crate) chdir: Option<PathBuf>,

    /// Folders to add to Python's path, separated by commas
    #[arg(long, value_name = "DIRS", value_delimiter = ',')]
    pub(crate) pythonpath: Vec<PathBuf>,

    /// Set an environment variable for the app (repeatable)
    #[arg(long, short, value_name = "KEY=VALUE")]
    pub(crate) env: Vec<String>,

    /// Write the access log to this file, or `-` for stdout [default: no access log]
    #[arg(long, value_name = "FILE")]
    pub(crate) access_logfile: Option<String>,

    /// Write the access log as JSON instead of Apache's combined format
    #[arg(long)]
    pub(crate) access_log_json: bool,

    /// Addresses or networks of proxies whose X-Forwarded-* are believed, separated by commas; `*` for all
    #[arg(
        long,
        env = "FORWARDED_ALLOW_IPS",
        value_name = "ADDRESSES",
        value_delimiter = ','
    )]
    pub(crate) forwarded_allow_ips: Vec<String>,

    /// Tell Prometheus metrics on this address: a loopback HOST:PORT, or unix:PATH [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    pub(crate) metrics: Option<Local>,

    /// Every connection begins with a PROXY header (version 1 or 2) of a proxy in --forwarded-allow-ips
    #[arg(long)]
    pub(crate) proxy_protocol: bool,

    /// Speak HTTP/2 without TLS, too, with clients that begin with it (h2c with prior knowledge)
    #[arg(long)]
    pub(crate) h2c: bool,

    /// Watch the app's files and reload gracefully when they change
    #[arg(long)]
    pub(crate) reload: bool,

    /// Write the process id to this file
    #[arg(long, short, value_name = "FILE")]
    pub(crate) pid: Option<PathBuf>,

    /// Run the workers as this user (name or number; needs root)
    #[arg(long, short, value_name = "USER")]
    pub(crate) user: Option<String>,

    /// Run the workers as this group (name or number; needs root)
    #[arg(long, short, value_name = "GROUP")]
    pub(crate) group: Option<String>,

    /// The Python interpreter [default: the active virtualenv's, else python3 on PATH]
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<PathBuf>,
}
