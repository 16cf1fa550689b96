"""The body is complete, then close() raises."""


class Parts:
    def __iter__(self):
        return iter([b"complete"])

    def close(self):
        raise ValueError("close raises on purpose")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "8")])
    return Parts()
