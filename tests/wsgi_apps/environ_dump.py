"""What the server says about itself and the request, as JSON."""

import json


def application(environ, start_response):
    values = {key: value for key, value in environ.items() if isinstance(value, (str, bool, tuple))}
    body = json.dumps(values).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
