"""Leaves a process behind that outlives the worker; its pid is the answer."""

import os
import time


def application(environ, start_response):
    child = os.fork()
    if child == 0:
        time.sleep(30)
        os._exit(0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(child).encode()]
