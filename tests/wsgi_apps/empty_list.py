"""An empty list and no Content-Length: an answer without a body."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return []
