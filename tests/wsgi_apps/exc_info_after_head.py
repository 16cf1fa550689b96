"""The head is out, so start_response with exc_info raises the exception again."""

import sys


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begun"
    try:
        raise ValueError("raised again")
    except ValueError:
        start_response("500 Too late", [("Content-Type", "text/plain")], sys.exc_info())
    yield b"never"
