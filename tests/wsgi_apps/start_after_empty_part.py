"""An empty part comes before start_response."""


def application(environ, start_response):
    yield b""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"later still"
