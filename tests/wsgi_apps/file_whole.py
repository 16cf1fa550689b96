"""A regular file by wsgi.file_wrapper: this one."""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"), 4096)
