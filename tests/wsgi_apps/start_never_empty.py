"""Neither body nor head."""


def application(environ, start_response):
    return []
