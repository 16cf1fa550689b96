"""Statuses that have no body, and a body nevertheless: the path is the status."""


def application(environ, start_response):
    start_response(environ["PATH_INFO"][1:] + " Something", [("ETag", '"a"')])
    return [b"must not be sent"]
