"""write() fills the promised length; what is returned is empty."""


def application(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "7")])
    write(b"written")
    return []
