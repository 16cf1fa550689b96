"""Says things about the worker's process, as JSON."""

import gc
import json
import os
import random
import signal
import sys
import threading
from pathlib import Path


def application(environ, start_response):
    facts = {
        "pid": os.getpid(),
        "group": os.getpgid(0),
        "comm": Path("/proc/self/comm").read_text().strip(),
        "random": random.random(),
        "frozen": gc.get_freeze_count(),
        "control": os.environ.get("HOTCLUB_CONTROL"),
        "path": sys.path,
        "cwd": os.getcwd(),
        "thread": threading.current_thread().name,
        "main": threading.current_thread() is threading.main_thread(),
        "interrupt_ignored": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
        "child_default": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
    }
    body = json.dumps(facts).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
