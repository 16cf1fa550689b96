"""The body is a real file: it can be read twice."""


def application(environ, start_response):
    body = environ["wsgi.input"]
    first = body.read()
    body.seek(0)
    second = body.read()
    body.seek(-1, 2)
    last = body.read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d %d %s" % (len(first), first == second, last)]
