"""A generator that raises: /first before any part, /second after one."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/second":
        yield b"begun"
    raise ValueError("iterator raises on purpose")
