"""Every way to read the body: the path chooses one; the answer is the repr of what it gave."""

WAYS = {
    "read": lambda f: f.read(-1),
    "read-size": lambda f: [f.read(4), f.read(4), f.read(1000000)],
    "read-beyond": lambda f: [f.read(1000000), f.read(1), f.read(1)],
    "readline": lambda f: [f.readline(), f.readline(), f.readline()],
    "readline-size": lambda f: [f.readline(2), f.readline(100)],
    "readlines": lambda f: f.readlines(),
    "readlines-hint": lambda f: f.readlines(1),
    "iter": list,
    "unread": lambda f: None,
}


def application(environ, start_response):
    body = repr(WAYS[environ["PATH_INFO"][1:]](environ["wsgi.input"])).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
