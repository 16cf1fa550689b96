"""write() of a str, which PEP 3333 forbids."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])("text")
    return []
