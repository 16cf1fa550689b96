"""Writes to wsgi.errors in its three ways."""


def application(environ, start_response):
    errors = environ["wsgi.errors"]
    errors.write("first line\n")
    errors.writelines(["second ", "line \u20ac\n"])
    errors.flush()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
