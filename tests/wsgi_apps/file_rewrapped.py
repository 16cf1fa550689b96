"""Middleware that looks at each part of a file_wrapper's: then it is iterated."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    wrapped = environ["wsgi.file_wrapper"](open(__file__, "rb"), 16)
    return (part.upper() for part in wrapped)
