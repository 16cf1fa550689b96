"""Deletes its own working directory; the traceback of the error afterwards needs no folder."""

import os
import tempfile


def application(environ, start_response):
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)
    if environ["PATH_INFO"] == "/raise":
        raise ValueError("without a folder")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
