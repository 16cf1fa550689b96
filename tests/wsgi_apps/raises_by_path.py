"""Raises what the path names; /ok answers."""

import builtins


def application(environ, start_response):
    name = environ["PATH_INFO"][1:]
    if name == "ok":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]
    if name == "RecursionError":
        return application(environ, start_response)
    if name == "unprintable":
        raise Unprintable
    raise getattr(builtins, name)("on purpose")


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")
