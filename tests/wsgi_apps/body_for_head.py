"""The same answer for HEAD as for GET, as lazy apps give it. /parts: as an iterator."""


def application(environ, start_response):
    body = b"for GET only"
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return iter([body]) if environ["PATH_INFO"] == "/parts" else [body]
