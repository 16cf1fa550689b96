"""An authority with moods before pebble: passes everything on, but for what its file `mood` says.

`limited`: orders are refused, too many were made. `hurry`: certificates are to be renewed at once
(RFC 9773). `slow`: orders are answered when it is in another mood.
Says its port on stdout. Arguments: certificate, key, pebble's port, the file.
"""

import http.client
import http.server
import json
import ssl
import sys
import time

CERTIFICATE, KEY, PEBBLE, MOOD = sys.argv[1:5]
WINDOWS = {
    "hurry": ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"),
    "": ("2100-01-01T00:00:00Z", "2100-01-02T00:00:00Z"),
}
LIMITED = {
    "type": "urn:ietf:params:acme:error:rateLimited",
    "detail": "too many certificates already issued",
    "status": 429,
}


class Authority(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        mood = open(MOOD).read().strip()
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if self.path.startswith("/renewal-info/"):
            start, end = WINDOWS["hurry" if mood == "hurry" else ""]
            info = {"suggestedWindow": {"start": start, "end": end}}
            return self.say(200, [("Retry-After", "3600")], json.dumps(info).encode())
        while self.path == "/order-plz" and open(MOOD).read() == "slow":
            time.sleep(0.02)
        if self.path == "/order-plz" and mood == "limited":
            kind = [("Content-Type", "application/problem+json"), ("Replay-Nonce", "x")]
            kind.append(("Retry-After", "86400"))
            return self.say(429, kind, json.dumps(LIMITED).encode())
        pebble = http.client.HTTPSConnection(
            "127.0.0.1", int(PEBBLE), context=ssl._create_unverified_context()
        )
        # With our own Host: pebble compares it with the URL that was signed.
        fields = dict(self.headers.items())
        pebble.request(self.command, self.path, body, fields)
        given = pebble.getresponse()
        content = given.read()
        if self.path == "/dir":
            directory = json.loads(content)
            host = self.headers["Host"]
            directory["renewalInfo"] = f"https://{host}/renewal-info"
            content = json.dumps(directory).encode()
        hop = {"content-length", "transfer-encoding", "connection"}
        self.say(given.status, [f for f in given.getheaders() if f[0].lower() not in hop], content)

    def say(self, status, fields, content):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_HEAD = answer

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Authority)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
