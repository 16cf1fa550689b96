"""Heads that are unusual and right."""

HEADS = {
    "latin1": ("200 S\xfc\xdf", [("X-Name", "caf\xe9"), ("X-Tab", "a\tb"), ("X-Empty", "")]),
    "twice": ("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]),
    "no-reason": ("299 ", []),
    "bare": ("200", []),
    "same-length-twice": ("200 OK", [("Content-Length", "4"), ("Content-Length", "4")]),
    "hop-by-hop": (
        "200 OK",
        [("Connection", "close"), ("Transfer-Encoding", "chunked"), ("X-Kept", "yes")],
    ),
}


def application(environ, start_response):
    status, headers = HEADS[environ["PATH_INFO"][1:]]
    start_response(status, headers)
    return [b"body"]
