//! HAProxy in front of an app, as its documentation begins: `mode http`, `forwardfor`, kept connections.

use super::front::Wiring;

pub(super) fn config(wiring: &Wiring<'_>) -> String {
    let bind = match wiring.certificate {
        None => wiring.listen.to_string(),
        Some(tls) => format!(
            "{} ssl crt {} alpn h2,http/1.1",
            wiring.listen,
            tls.both.display()
        ),
    };
    let app = wiring
        .app
        .map_or_else(String::new, |(app, _)| format!("    server app {app}\n"));
    format!(
        "defaults
    mode http
    option forwardfor
    option http-buffer-request
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend site
    bind {bind}
    default_backend app
backend app
    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
{app}"
    )
}
