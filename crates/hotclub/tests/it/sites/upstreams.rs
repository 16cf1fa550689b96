//! `[[proxy]]` to https under `hotclub host`, whose front sees no file of the machine's but those that it was given.

use std::process::Command;

use hotclub_testkit::Project;

use super::host::{host, server};
use crate::https::certificate;
use crate::serve::{Helper, interpreter};

/// Says its port on stdout, then of each request what it was told. Arguments: certificate, key.
const UPSTREAM: &str = r#"
import http.server, ssl, sys

class Upstream(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        told = [self.headers.get(name) for name in ("Host", "X-Forwarded-Proto", "X-Forwarded-For")]
        body = " ".join([self.path, *map(str, told)]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(*sys.argv[1:])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// Its certificate, `upstream.pem`, is for `localhost`.
fn upstream(folder: &Project) -> Helper {
    let (chain, key) = certificate(folder.dir(), "upstream", &["localhost"]);
    Helper::start(
        Command::new(interpreter())
            .args(["-c", UPSTREAM])
            .args([chain, key]),
    )
}

#[test]
fn an_upstream_over_https_is_found_by_its_name_and_believed_by_its_certificate() {
    let server = server();
    let upstream = upstream(&server);
    let proxy = |more: &str| {
        format!(
            "hosts = [\"a.example\"]\n[[proxy]]\nurl = \"/\"\nto = \"https://localhost:{}\"\n{more}",
            upstream.port
        )
    };
    server.write("a/hotclub.toml", &proxy("ca = \"../upstream.pem\"\n"));
    server.write(
        "b/hotclub.toml",
        &proxy("").replace("a.example", "b.example"),
    );
    let mut program = host(&server).serve();
    for _ in 0..3 {
        let answer = program
            .get_with("/x?y", &[("Host", "a.example")])
            .expect(200);
        assert_eq!(answer.text(), "/x?y a.example http 127.0.0.1");
    }
    // Nobody but the file says that this certificate is to be believed.
    program.allow("certificate");
    program.get_with("/", &[("Host", "b.example")]).expect(502);
    program.stop();
}
