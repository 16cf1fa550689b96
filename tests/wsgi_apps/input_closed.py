"""Closes its body."""


def application(environ, start_response):
    environ["wsgi.input"].close()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"closed"]
