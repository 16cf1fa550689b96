"""A generator without a Content-Length, and an empty part among the others."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield from (b"one ", b"", b"two ", b"three")
