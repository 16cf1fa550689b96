"""Content-Length is not what comes: the path gives the length, the number of parts, their size."""


def application(environ, start_response):
    length, parts, size = environ["PATH_INFO"].split("/")[1:4]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", length)])
    body = [b"x" * int(size)] * int(parts)
    return body if environ["PATH_INFO"].endswith("/list") else iter(body)
