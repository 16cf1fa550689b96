"""Ends its process without a word. /ok answers."""

import os


def application(environ, start_response):
    if environ["PATH_INFO"] == "/exit":
        os._exit(7)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
