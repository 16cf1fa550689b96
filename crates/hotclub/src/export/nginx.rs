//! NGINX's configuration of an export: one server, the app behind it, files from their folders.

use std::fmt::Write;

use super::plan::{PORT, Plan, redirect_from};

/// Where NGINX finds the app, and where it listens.
pub(super) struct Ends<'a> {
    pub(super) app: &'a str,
    pub(super) listen: u16,
}

/// A file for `/etc/nginx/conf.d/`. The folders have the same paths as in the app's container.
pub(super) fn config(plan: &Plan, ends: &Ends<'_>) -> String {
    let names: Vec<&str> = plan.hosts.iter().map(String::as_str).collect();
    let names = if names.is_empty() {
        "_".to_owned()
    } else {
        names.join(" ")
    };
    let (app, listen) = (ends.app, ends.listen);
    let mut text = format!(
        "# HTTPS: get a certificate (certbot --nginx, or a balancer in front) and set SECURE_PROXY_SSL_HEADER.\n\
         # What a balancer in front says of the visitor's scheme is passed on.\n\
         map $http_x_forwarded_proto $visitors_scheme {{\n    default $scheme;\n    https https;\n}}\n\n\
         server {{\n    listen {listen};\n    listen [::]:{listen};\n    server_name {names};\n\n\
         \x20   client_max_body_size {};\n    server_tokens off;\n    gzip on;\n    gzip_types text/css text/javascript \
         application/javascript application/json application/xml image/svg+xml;\n",
        size(plan.max_body)
    );
    for (name, value) in &plan.headers {
        // What the app says of the same gives way, as it does here.
        let _ = writeln!(
            text,
            "    proxy_hide_header {name};\n    add_header {name} {} always;",
            quoted(value)
        );
    }
    folders(plan, &mut text);
    redirects(plan, &mut text);
    proxies(plan, &mut text);
    let _ = write!(
        text,
        "\n    location / {{\n        proxy_pass http://{app}:{PORT};\n{}        proxy_read_timeout {}s;\n    }}\n}}\n",
        forwarded("        "),
        // The app server ends what takes too long, and says so.
        if plan.timeout == 0 {
            3600
        } else {
            plan.timeout + 5
        },
    );
    text
}

fn forwarded(indent: &str) -> String {
    [
        "proxy_set_header Host $http_host;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "proxy_set_header X-Forwarded-Proto $visitors_scheme;",
        "proxy_redirect off;",
    ]
    .map(|line| format!("{indent}{line}\n"))
    .concat()
}

fn folders(plan: &Plan, text: &mut String) {
    if let Some(folder) = &plan.static_files {
        let _ = write!(
            text,
            "\n    location {0} {{\n        alias {1}/;\n        expires 1h;\n        add_header X-Content-Type-Options nosniff always;\n    }}\n",
            folder.url, folder.path
        );
    }
    if let Some(folder) = &plan.media {
        // Uploads are strangers' files: nothing in them may run in the site's name.
        let _ = write!(
            text,
            "\n    location {0} {{\n        alias {1}/;\n        add_header X-Content-Type-Options nosniff always;\n        \
             add_header Content-Security-Policy \"default-src 'none'; style-src 'unsafe-inline'; sandbox\" always;\n    }}\n",
            folder.url, folder.path
        );
    }
}

fn redirects(plan: &Plan, text: &mut String) {
    for redirect in &plan.redirects {
        let (kind, path) = redirect_from(redirect);
        let status = redirect.status;
        let _ = match redirect.to.strip_suffix('*') {
            Some(to) => write!(
                text,
                "\n    location {path} {{\n        rewrite ^{}(.*)$ {to}$1 {};\n    }}\n",
                regex(&path),
                // NGINX's rewrite knows these two; others are near enough to one of them.
                if matches!(status, 301 | 308) {
                    "permanent"
                } else {
                    "redirect"
                }
            ),
            None => write!(
                text,
                "\n    location {kind}{path} {{\n        return {status} {}$is_args$args;\n    }}\n",
                redirect.to
            ),
        };
    }
}

fn regex(path: &str) -> String {
    let special = |c: char| "\\.+*?()[]{}^$|".contains(c);
    path.chars()
        .flat_map(|c| special(c).then_some('\\').into_iter().chain([c]))
        .collect()
}

fn proxies(plan: &Plan, text: &mut String) {
    for proxy in &plan.proxies {
        let Some(to) = proxy.to.first() else { continue };
        let strip = if proxy.strip_prefix { "/" } else { "" };
        let _ = write!(
            text,
            "\n    location {} {{\n        # From within a container 127.0.0.1 is the container: name the server as it is known there.\n        \
             proxy_pass {to}{strip};\n{}        proxy_http_version 1.1;\n        proxy_set_header Upgrade $http_upgrade;\n        \
             proxy_set_header Connection upgrade;\n    }}\n",
            proxy.url,
            forwarded("        ")
        );
    }
}

fn size(bytes: u64) -> String {
    match bytes % (1 << 20) {
        0 => format!("{}m", bytes >> 20),
        _ => format!("{}k", bytes.div_ceil(1 << 10)),
    }
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
