"""Has an exit function, a thread that is not a daemon, and with HANG=1 one that never ends."""

import atexit
import os
import sys
import threading
import time


@atexit.register
def say_goodbye():
    sys.stdout.write("goodbye from atexit\n")
    if os.environ.get("HANG"):
        time.sleep(60)


def late():
    threading.main_thread().join()
    sys.stdout.write("goodbye from a thread\n")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    sys.stdout.write("served\n")
    return [b"ok"]
