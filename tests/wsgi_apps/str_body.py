"""A body of str. /parts: as an iterator, after one part that is right."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/parts":
        return iter([b"right", "wrong"])
    return ["wrong"]
