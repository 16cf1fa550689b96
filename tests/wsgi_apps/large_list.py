"""Five million bytes in one part."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [bytes(range(250)) * 20000]
