"""Closes everything it inherited, as code that makes daemons does. /ok answers."""

import os


def application(environ, start_response):
    if environ["PATH_INFO"] == "/close":
        os.closerange(3, 4096)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
