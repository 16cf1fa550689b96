"""A body without a head."""


def application(environ, start_response):
    return [b"never"]
