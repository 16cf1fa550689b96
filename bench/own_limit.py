"""The view by itself: called in a loop, in as many processes as asked for, with no server at all.

    python3 bench/own_limit.py MODULE:APP [--chdir DIR] [--path /] [--processes N] [--seconds S]

Prints calls per second of all processes together: what the app allows any server on these cores.
The app is loaded and tuned as Hotclub's fork server does it, and forked as often.
"""

import argparse
import os
import struct
import sys
import time
import traceback
from io import BytesIO
from pathlib import Path
from typing import Any, Callable

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from hotclub_worker import load
from hotclub_worker.tuning import Tuning, Wishes

WARM_UP = 0.5

App = Callable[["dict[str, Any]", Any], Any]


def environ(path: str) -> "dict[str, Any]":
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


def call(app: App, path: str) -> None:
    statuses: list[str] = []
    answer = app(environ(path), lambda status, headers, error=None: statuses.append(status))
    try:
        body = b"".join(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    if statuses[0][:3] != "200" or not body:
        raise SystemExit(f"the app answers {path} with {statuses[0]}")


def calls(app: App, path: str, seconds: float) -> int:
    done, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        call(app, path)
        done += 1
    return done


def worker(app: App, options: argparse.Namespace, report: int) -> None:
    """In a process of its own. All begin to count at about the same moment, and warmed up."""
    calls(app, options.path, WARM_UP)
    began = time.monotonic()
    done = calls(app, options.path, options.seconds)
    os.write(report, struct.pack("d", done / (time.monotonic() - began)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("app", metavar="MODULE:APP")
    parser.add_argument("--chdir", default=".")
    parser.add_argument("--path", default="/")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    wishes = Wishes(
        persistent_connections=True, cached_templates=True, gc=True, workers=options.processes
    )
    tuning = Tuning(wishes)
    app = load.load(load.Source(options.app, options.chdir, [], {}), tuning)
    load.settle()
    reader, writer = os.pipe()
    children = []
    for _ in range(options.processes):
        pid = os.fork()
        if pid == 0:
            try:
                worker(app, options, writer)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        children.append(pid)
    os.close(writer)
    rates = []
    while rate := os.read(reader, 8):
        rates.append(struct.unpack("d", rate)[0])
    for pid in children:
        os.waitpid(pid, 0)
    if len(rates) != options.processes:
        raise SystemExit("a process failed, see above")
    print(f"{sum(rates):.2f}")


if __name__ == "__main__":
    main()
