"""Parts come one by one, the second only when somebody opened the FIFO that the query names."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first"
    with open(environ["QUERY_STRING"], "rb") as gate:
        gate.read()
    yield b""
    yield b"second"
