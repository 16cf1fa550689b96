"""Forks a child that runs out of the app: by /return, /raise, /exit or in the iterable (/parts)."""

import os
import sys


def application(environ, start_response):
    way = environ["PATH_INFO"]
    if way == "/parts":
        return parts(start_response)
    child = os.fork()
    if child == 0:
        if way == "/raise":
            raise ValueError("raised in the child")
        if way == "/exit":
            sys.exit(5)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"child"]
    _, status = os.waitpid(child, 0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"parent %d" % os.WEXITSTATUS(status)]


def parts(start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"both, "
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        yield b"parent %d" % os.WEXITSTATUS(status)
    else:
        yield b"child"
