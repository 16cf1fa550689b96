"""Does at import what has broken other servers: timeouts, signals, clocks, a quiet stderr."""

import signal
import socket
import time

socket.setdefaulttimeout(0.01)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, lambda *_: None)
signal.signal(signal.SIGUSR1, lambda *_: None)
time.monotonic_ns = lambda: 0


def application(environ, start_response):
    kept = signal.getsignal(signal.SIGUSR1) not in (signal.SIG_DFL, signal.SIG_IGN)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"kept" if kept else b"lost"]
