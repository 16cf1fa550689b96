"""A list's length is known: the server can tell where the body ends."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"one, ", b"", b"two"]
