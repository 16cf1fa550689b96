"""Raises before anything was sent. /after: start_response was called already."""


def application(environ, start_response):
    if environ["PATH_INFO"] == "/after":
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Lost", "yes")])
    raise ValueError("app_raises on purpose")
