"""Heads that no server may send: the path chooses one."""

HEADS = {
    "newline": ("200 OK", [("X-Bad", "a\r\nSet-Cookie: stolen=1")]),
    "return": ("200 OK", [("X-Bad", "a\rb")]),
    "nul": ("200 OK", [("X-Bad", "a\0b")]),
    "escape": ("200 OK", [("X-Bad", "a\x1bb")]),
    "delete": ("200 OK", [("X-Bad", "a\x7fb")]),
    "newline-name": ("200 OK", [("X-Bad\r\nX-More", "a")]),
    "space-name": ("200 OK", [("X Bad", "a")]),
    "colon-name": ("200 OK", [("X-Bad:", "a")]),
    "empty-name": ("200 OK", [("", "a")]),
    "umlaut-name": ("200 OK", [("X-\xe4", "a")]),
    "bytes-name": ("200 OK", [(b"X-Bad", "a")]),
    "bytes-value": ("200 OK", [("X-Bad", b"a")]),
    "number-value": ("200 OK", [("X-Bad", 5)]),
    "none-value": ("200 OK", [("X-Bad", None)]),
    "beyond-latin1": ("200 OK", [("X-Bad", "\u20ac")]),
    "triple": ("200 OK", [("X-Bad", "a", "b")]),
    "none-headers": ("200 OK", None),
    "reason-newline": ("200 OK\r\nX-Bad: a", []),
    "reason-beyond-latin1": ("200 \u20ac", []),
    "status-number": (200, []),
    "status-bytes": (b"200 OK", []),
    "status-short": ("20 OK", []),
    "status-long": ("2000 OK", []),
    "status-word": ("OK", []),
    "status-zero": ("000 OK", []),
    "status-superscript": ("20\xb2 OK", []),
    "length-word": ("200 OK", [("Content-Length", "many")]),
    "length-sign": ("200 OK", [("Content-Length", "+5")]),
    "length-number": ("200 OK", [("Content-Length", 5)]),
    "two-lengths": ("200 OK", [("Content-Length", "5"), ("content-length", "6")]),
    "huge": ("200 OK", [("X-Bad", "x" * 300000)]),
}


def application(environ, start_response):
    status, headers = HEADS[environ["PATH_INFO"][1:]]
    start_response(status, headers)
    return [b"never"]
