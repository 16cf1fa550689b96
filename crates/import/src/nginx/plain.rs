//! Directives that need no context: what Hotclub does without being told, and what has a key of its own.

use super::block::Block;
use super::server::Around;
use crate::Reading;
use crate::draft::Keys;

/// Directives that are covered, by the start of their names.
const COVERED: [(&str, &str); 24] = [
    (
        "proxy_redirect",
        "not needed: the app's own redirects are right, for it knows the visitor's host and scheme",
    ),
    (
        "proxy_http_version",
        "not needed: connections are kept by themselves",
    ),
    (
        "proxy_buffer",
        "not needed: requests and answers are buffered, and spooled to files when they are large",
    ),
    (
        "proxy_request_buffering",
        "not needed: a slow client never holds a worker",
    ),
    (
        "proxy_max_temp",
        "not needed: requests and answers are buffered, and spooled to files when they are large",
    ),
    (
        "proxy_busy",
        "not needed: requests and answers are buffered, and spooled to files when they are large",
    ),
    ("proxy_headers_hash", "not needed"),
    (
        "proxy_pass_header",
        "not needed: what the app answers is passed on",
    ),
    (
        "proxy_intercept_errors",
        "the app's own error pages stay; [errors] has those of the server",
    ),
    (
        "proxy_next_upstream",
        "a request that had no effect is tried again by itself",
    ),
    (
        "proxy_ssl",
        "not needed: the way to the app is a private socket",
    ),
    ("uwsgi_", "not needed: the app server is Hotclub's own"),
    (
        "client_body",
        "not needed: slow clients have a lowest rate ([limits] min_rate), bodies are spooled",
    ),
    (
        "client_header",
        "not needed: [limits] header_timeout and max_header",
    ),
    (
        "large_client_header",
        "not needed: [limits] max_header is 32 KiB",
    ),
    (
        "send_timeout",
        "not needed: slow clients have a lowest rate ([limits] min_rate)",
    ),
    ("sendfile", "not needed: files are always sent so"),
    ("tcp_no", "not needed: always as it is best"),
    ("types_hash", "not needed"),
    ("server_names_hash", "not needed"),
    (
        "open_file_cache",
        "not needed: open files are kept by themselves",
    ),
    ("ssl_", "not needed: TLS 1.2 and 1.3, as it is best"),
    ("http2", "HTTP/2 is spoken wherever TLS is"),
    (
        "gzip_",
        "not needed: what is worth it is compressed, as zstd, Brotli or gzip",
    ),
];

const COVERED_WHOLE: [(&str, &str); 21] = [
    ("types", "media types are known"),
    ("default_type", "media types are known"),
    (
        "charset",
        "text is sent as UTF-8 where the app says nothing else",
    ),
    ("server_tokens", "no version is told"),
    ("etag", "files have an ETag"),
    ("index", "index.html is a folder's page"),
    (
        "log_format",
        "the access log is combined, or JSON: [log] format",
    ),
    (
        "log_not_found",
        "a file that is missing is a line of the access log",
    ),
    (
        "error_log",
        "messages go to stderr; HOTCLUB_LOG says how many",
    ),
    ("resolver", "the host's resolver is used"),
    ("resolver_timeout", "the host's resolver is used"),
    ("reset_timedout_connection", "not needed"),
    (
        "ignore_invalid_headers",
        "there is one strict way to read a request",
    ),
    (
        "underscores_in_headers",
        "names with `_` are dropped: behind CGI nobody could tell them from others",
    ),
    ("merge_slashes", "there is one strict way to read a path"),
    ("absolute_redirect", "not needed"),
    ("port_in_redirect", "not needed"),
    ("server_name_in_redirect", "not needed"),
    ("gunzip", "not needed"),
    ("real_ip_recursive", "[server] trusted_proxies"),
    ("ssl", "[server] listen has https:// where TLS is wanted"),
];

/// How much of the site a directive is for.
#[derive(Clone, Copy)]
pub(super) enum Scope<'a> {
    /// All servers.
    Http,
    Server(&'a Around<'a>),
    /// A path other than `/`.
    Part,
    /// `location /`.
    Root,
}

/// Judges those of the directives that stand for themselves; what another file knows is left to it.
pub(super) fn take(blocks: &[&Block], scope: Scope<'_>, reading: &mut Reading<'_>) {
    for block in blocks {
        if !reading.ledger.is_judged(block.id) {
            one(block, scope, reading);
        }
    }
}

fn one(block: &Block, scope: Scope<'_>, reading: &mut Reading<'_>) {
    let is_part = matches!(scope, Scope::Part);
    match block.name.as_str() {
        "gzip" | "brotli" | "zstd" if is_part => {
            reading.ledger.taken(
                block.id,
                "what is worth it is compressed; there is one rule for the whole site",
            );
        }
        "add_header" | "proxy_hide_header" | "more_clear_headers"
            if is_part && !is_caching(block) =>
        {
            reading.ledger.unsupported(
                block.id,
                "fields are set for the whole site, not for a part of it",
                "set it in the app, or under [headers] if it may stand on every answer",
            )
        }
        "error_page" if is_part => reading.ledger.unsupported(
            block.id,
            "error pages are the whole site's",
            "write [errors] if the page may be shown everywhere",
        ),
        "client_max_body_size" => body(block, reading),
        "gzip" => {
            if block.arg(0) == "off" {
                reading.draft.top.set("compress", "off");
            }
            reading.ledger.taken(block.id, "what is worth it is compressed, as zstd, Brotli or gzip; compress = \"off\" turns it off");
        }
        "brotli" | "zstd" => reading.ledger.taken(
            block.id,
            "what is worth it is compressed, as zstd, Brotli or gzip",
        ),
        "add_header" => add_header(block, reading),
        "proxy_hide_header" | "more_clear_headers" => removed(block, reading),
        "proxy_set_header" => request_header(block, reading),
        "ssl_certificate" => certificate(block, "certificate", reading),
        "ssl_certificate_key" => certificate(block, "key", reading),
        "keepalive_timeout" => idle(block, reading),
        "proxy_read_timeout"
        | "proxy_connect_timeout"
        | "proxy_send_timeout"
        | "uwsgi_read_timeout" => wait(block, reading),
        "access_log" => access_log(block, reading),
        "error_page" => error_page(block, scope, reading),
        "set_real_ip_from" => trusted(block, reading),
        "real_ip_header" => reading
            .ledger
            .taken(block.id, "X-Forwarded-For of trusted_proxies is believed"),
        "autoindex" => reading.ledger.taken(
            block.id,
            "folders show what they hold where [[files]] index = true",
        ),
        "internal" => reading.ledger.taken(block.id, "[[files]] internal"),
        "expires" => reading.ledger.taken(
            block.id,
            "how long pages may be kept is the app's to say; files have max_age",
        ),
        name => covered(name, block, reading),
    }
}

fn covered(name: &str, block: &Block, reading: &mut Reading<'_>) {
    let whole = COVERED_WHOLE.iter().find(|(known, _)| *known == name);
    let start = || COVERED.iter().find(|(start, _)| name.starts_with(start));
    if let Some((_, said)) = whole.or_else(start) {
        reading.ledger.taken(block.id, *said);
    }
}

fn body(block: &Block, reading: &mut Reading<'_>) {
    match size(block.arg(0)) {
        Some(0) => {
            reading.draft.table("limits").set("max_body", "1GB");
            reading.ledger.mended(
                block.id,
                "without any limit one visitor could fill the disk: [limits] max_body = \"1GB\"",
            );
        }
        Some(bytes) => {
            reading
                .draft
                .table("limits")
                .set("max_body", written_size(bytes));
            reading.ledger.taken(block.id, "[limits] max_body");
        }
        None => reading.ledger.open(
            block.id,
            "this size is not read",
            "write [limits] max_body = \"20MB\"",
        ),
    }
}

/// `20m`, `1024k`, `1g`, `500`: bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (digits, factor) = match lower.chars().last()? {
        'k' => (&lower[..lower.len() - 1], 1 << 10),
        'm' => (&lower[..lower.len() - 1], 1 << 20),
        'g' => (&lower[..lower.len() - 1], 1 << 30),
        _ => (lower.as_str(), 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

pub(super) fn written_size(bytes: u64) -> String {
    for (unit, factor) in [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

/// `60`, `60s`, `5m`, `1h`, `30d`, `1y`: seconds.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let factor = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        'M' => 30 * 86_400,
        'y' => 365 * 86_400,
        _ => return text.parse().ok(),
    };
    let digits = text.get(..text.len() - 1)?;
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

fn idle(block: &Block, reading: &mut Reading<'_>) {
    match seconds(block.arg(0)).filter(|seconds| (1..=86_400).contains(seconds)) {
        Some(seconds) => {
            reading
                .draft
                .table("limits")
                .set("idle_timeout", format!("{seconds}s"));
            reading.ledger.taken(block.id, "[limits] idle_timeout");
        }
        None => reading.ledger.taken(
            block.id,
            "Hotclub's own limit holds: [limits] idle_timeout, 75 s",
        ),
    }
}

/// How long NGINX waited for the app; the app server ends a request that takes too long.
fn wait(block: &Block, reading: &mut Reading<'_>) {
    if block.name == "proxy_read_timeout" || block.name == "uwsgi_read_timeout" {
        let waits = seconds(block.arg(0)).filter(|seconds| *seconds > 30);
        if let Some(seconds) = waits.filter(|_| {
            reading.stack.has_app && reading.draft.table("app").get("timeout").is_none()
        }) {
            reading
                .draft
                .table("app")
                .set("timeout", format!("{seconds}s"));
            return reading
                .ledger
                .taken(block.id, "[app] timeout: one request's time");
        }
    }
    reading.ledger.taken(
        block.id,
        "[app] timeout says how long a request may take; a [[proxy]] has times of its own",
    );
}

fn certificate(block: &Block, key: &'static str, reading: &mut Reading<'_>) {
    let file = block.arg(0);
    if file.contains("letsencrypt")
        || crate::placeholder::find(file).is_some()
        || file.contains('$')
    {
        return reading.ledger.taken(
            block.id,
            "not needed: Hotclub orders certificates for `hosts`, and renews them",
        );
    }
    let path = super::folder::host_path(file, reading);
    match path.filter(|path| reading.options.shelf.read(path).is_some()) {
        Some(path) => {
            let shown = crate::shelf::relative(reading.options.dir, &path);
            reading.draft.table("https").set(key, shown);
            reading.ledger.taken(block.id, format!("[https] {key}"));
        }
        None => reading.ledger.open(
            block.id,
            format!("{file} cannot be read from here"),
            format!("write [https] {key} = \"{file}\", or leave it out: Hotclub orders certificates for `hosts`"),
        ),
    }
}

fn add_header(block: &Block, reading: &mut Reading<'_>) {
    let (name, value) = (block.arg(0), block.arg(1));
    if name.eq_ignore_ascii_case("strict-transport-security") {
        return strict(block, value, reading);
    }
    if is_caching(block) {
        return reading.ledger.taken(
            block.id,
            "how long pages may be kept is the app's to say; files have max_age",
        );
    }
    if value.contains('$') {
        return reading.ledger.unsupported(
            block.id,
            "the value holds a variable",
            "set this field in the app",
        );
    }
    let mut keys = Keys::default();
    keys.field("set", name, value);
    let mut probe = crate::draft::Draft::default();
    *probe.table("headers") = keys;
    match hotclub_config::parse(&probe.written(), std::path::Path::new("/hotclub.toml")) {
        Ok(_) => {
            reading.draft.table("headers").field("set", name, value);
            reading.ledger.taken(
                block.id,
                "[headers] set, on every answer that has no such field",
            );
        }
        Err(_) => reading.ledger.unsupported(
            block.id,
            "this field is not the configuration's to set",
            "set it in the app",
        ),
    }
}

fn is_caching(block: &Block) -> bool {
    ["cache-control", "expires", "pragma"]
        .iter()
        .any(|name| block.arg(0).eq_ignore_ascii_case(name))
}

fn strict(block: &Block, value: &str, reading: &mut Reading<'_>) {
    let age = value
        .split(';')
        .find_map(|part| part.trim().strip_prefix("max-age="));
    match age.and_then(|age| age.trim_matches('"').parse::<u64>().ok()) {
        Some(age) => {
            reading.draft.table("https").set("hsts", format!("{age}s"));
            reading.ledger.taken(block.id, "[https] hsts");
            if value.contains("includeSubDomains") || value.contains("preload") {
                let hint =
                    "the settings can say it: SECURE_HSTS_INCLUDE_SUBDOMAINS, SECURE_HSTS_PRELOAD";
                reading.ledger.open(
                    block.id,
                    "[https] hsts says neither includeSubDomains nor preload",
                    hint,
                );
            }
        }
        None => reading.ledger.open(
            block.id,
            "this age is not read",
            "write [https] hsts = \"1y\"",
        ),
    }
}

fn removed(block: &Block, reading: &mut Reading<'_>) {
    let name = block.arg(0);
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let mut probe = crate::draft::Draft::default();
    probe.table("headers").add("remove", name);
    let reads =
        hotclub_config::parse(&probe.written(), std::path::Path::new("/hotclub.toml")).is_ok();
    match is_name && reads {
        true => {
            reading.draft.table("headers").add("remove", name);
            reading.ledger.taken(block.id, "[headers] remove");
        }
        false => reading
            .ledger
            .open(block.id, "this field is not read", "write [headers] remove"),
    }
}

fn request_header(block: &Block, reading: &mut Reading<'_>) {
    const KNOWN: [&str; 12] = [
        "host",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-real-ip",
        "upgrade",
        "connection",
        "x-forwarded-protocol",
        "x-url-scheme",
        "x-scheme",
        "x-request-id",
    ];
    let name = block.arg(0).to_ascii_lowercase();
    if KNOWN.contains(&name.as_str()) {
        return reading.ledger.taken(
            block.id,
            "told to the app without being asked, and never as a visitor wrote it",
        );
    }
    if block.arg(1).is_empty() {
        return reading.ledger.unsupported(
            block.id,
            "fields of requests are not removed",
            "ignore it in the app",
        );
    }
    reading.ledger.unsupported(
        block.id,
        "fields are not added to requests",
        "set it in the app, or in a middleware",
    );
}

fn access_log(block: &Block, reading: &mut Reading<'_>) {
    let file = block.arg(0);
    if file == "off" {
        // In a location it is about noise; for the whole site it would be.
        return reading.ledger.taken(
            block.id,
            "there is one access log for the whole site: [log] access = \"off\" ends it",
        );
    }
    reading.ledger.taken(block.id, "the access log goes to stdout; [log] access = \"access.log\" writes a file, and rotates it");
}

fn error_page(block: &Block, scope: Scope<'_>, reading: &mut Reading<'_>) {
    let Some((page, statuses)) = block.args.split_last() else {
        return;
    };
    let root = match scope {
        Scope::Server(around) => around.root,
        _ => None,
    };
    let folder = root.and_then(|root| super::folder::host_path(root, reading));
    let file = folder
        .filter(|_| page.starts_with('/'))
        .map(|folder| folder.join(page.trim_start_matches('/')));
    match file.filter(|file| reading.options.shelf.read(file).is_some()) {
        Some(file) => {
            let shown = crate::shelf::relative(reading.options.dir, &file);
            for status in statuses.iter().filter(|status| {
                status
                    .parse::<u16>()
                    .is_ok_and(|status| (400..=599).contains(&status))
            }) {
                reading.draft.top.field("errors", status, &shown);
            }
            reading.ledger.taken(
                block.id,
                "[errors]: the server's own errors; what the app answers stays",
            );
        }
        None => reading.ledger.open(
            block.id,
            "the page was not found",
            "write [errors] 502 = \"errors/502.html\"",
        ),
    }
}

fn trusted(block: &Block, reading: &mut Reading<'_>) {
    let mut probe = crate::draft::Draft::default();
    probe.table("server").add("trusted_proxies", block.arg(0));
    match hotclub_config::parse(&probe.written(), std::path::Path::new("/hotclub.toml")) {
        Ok(_) => {
            reading
                .draft
                .table("server")
                .add("trusted_proxies", block.arg(0));
            reading.ledger.taken(block.id, "[server] trusted_proxies");
        }
        Err(_) => reading.ledger.open(
            block.id,
            "this network is not read",
            "write [server] trusted_proxies",
        ),
    }
}
