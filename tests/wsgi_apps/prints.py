"""Prints three megabytes to both standard streams; /closed closes them first."""

import sys


def application(environ, start_response):
    if environ["PATH_INFO"] == "/closed":
        sys.stdout.close()
        sys.stderr.close()
        environ["wsgi.errors"].write("after the end\n")
        raise ValueError("seen all the same")
    for _ in range(3000):
        print("o" * 999)
        print("e" * 999, file=sys.stderr)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
