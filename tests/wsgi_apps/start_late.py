"""A generator: start_response is called at the first iteration."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"late"
