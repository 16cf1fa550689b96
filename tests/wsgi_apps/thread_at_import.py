"""Starts a thread while it is imported."""

import threading

threading.Thread(target=threading.Event().wait, name="reporter", daemon=True).start()


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
