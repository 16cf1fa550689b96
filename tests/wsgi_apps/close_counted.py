"""An iterable with close(): /count says how often it was called."""

closed = 0


class Parts:
    def __init__(self, parts):
        self._parts = iter(parts)

    def __iter__(self):
        return self

    def __next__(self):
        part = next(self._parts)
        if part is None:
            raise ValueError("iteration fails on purpose")
        return part

    def close(self):
        global closed  # noqa: PLW0603
        closed += 1


def endless():
    while True:
        yield b"x" * 1000


ANSWERS = {
    "/whole": lambda: [b"a", b"b"],
    "/first": lambda: [None],
    "/second": lambda: [b"a", None],
    "/endless": endless,
    "/empty": lambda: [],
}


def application(environ, start_response):
    path = environ["PATH_INFO"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/count":
        return [str(closed).encode()]
    return Parts(ANSWERS[path]())
