"""Measures pages of a site in a process of its own, for `hotclub tune` and `hotclub check`.

`python -u …/hotclub_worker measure REQUEST`, with one JSON object as REQUEST and one as the answer
on standard output (what the app prints goes to standard error). Without `seconds` nothing is asked
of the app but to be loaded: the answer then says what is tuned.
"""

import json
import os
import re
import sys
import time
from io import BytesIO
from typing import Any, Callable, Optional

from hotclub_worker import load, meter
from hotclub_worker.tuning import Tuning, Wishes

#: Pages that are measured when none are named.
_PAGES_MAX = 8
#: Requests of one page that are looked at closely.
_LOOKS = 5
_LINK = re.compile(rb"""<a\s[^>]*?href=["'](/[^"'#?\\]*)["'#?]""", re.IGNORECASE)

App = Callable[["dict[str, Any]", Any], Any]


def main(text: str) -> int:
    request: dict[str, Any] = json.loads(text)
    out = os.dup(1)
    os.dup2(2, 1)
    try:
        answer = run(request)
    except BaseException as error:
        answer = {"error": load.describe(error)}
    with os.fdopen(out, "w", encoding="utf-8") as file:
        json.dump(answer, file)
    # Threads that the app started do not hold us.
    os._exit(0)


def run(request: "dict[str, Any]") -> "dict[str, Any]":
    tuning = Tuning(Wishes.of(request.get("tune")) or Wishes())
    source = load.Source(request["app"], request["chdir"], [], request["settings"])
    seconds = request.get("seconds")
    watch = meter.Meter() if seconds and request.get("closely") else None
    if watch is not None:
        watch.before()
    app = load.load(source, tuning)
    answer: dict[str, Any] = {"tuned": tuning.findings, "warnings": tuning.warnings}
    if seconds:
        load.settle()
        answer.update(Visit(app, request).pages(float(seconds), watch))
    return answer


class Visit:
    """An anonymous visitor, who only reads."""

    def __init__(self, app: App, request: "dict[str, Any]") -> None:
        self._app = app
        self._host = str(request["host"])
        self._scheme = "https" if request.get("https") else "http"
        self._paths: list[str] = list(request.get("paths") or [])

    def pages(self, seconds: float, watch: "Optional[meter.Meter]") -> "dict[str, Any]":
        paths = self._paths or self._links()
        pages = [self._page(path, seconds / len(paths)) for path in paths]
        close = meter.look_closely(watch)
        for page in pages:
            page.update(close.of(page["path"], self.get, _LOOKS))
        return {"pages": pages, "costly": close.costly(), "paths": paths}

    def _links(self) -> "list[str]":
        """The home page and what it links to."""
        status, body = self.get("/")
        found = ["/"]
        for link in _LINK.findall(body):
            path = link.decode("utf-8", "replace")
            if len(found) < _PAGES_MAX and path not in found and self.get(path)[0] == 200:
                found.append(path)
        return found if status == 200 else [path for path in found if path != "/"] or ["/"]

    def _page(self, path: str, seconds: float) -> "dict[str, Any]":
        status, body = self.get(path)
        self.get(path)
        done, began = 0, time.perf_counter()
        while done < 3 or time.perf_counter() - began < seconds:
            self.get(path)
            done += 1
        took = time.perf_counter() - began
        page = {"path": path, "status": status, "bytes": len(body)}
        return {**page, "per_second": done / took}

    def get(self, path: str) -> "tuple[int, bytes]":
        path, _, query = path.partition("?")
        statuses: list[str] = []
        result = self._app(self._environ(path, query), lambda s, _h, _e=None: statuses.append(s))
        try:
            body = b"".join(result)
        finally:
            if hasattr(result, "close"):
                result.close()
        return int(statuses[-1].split()[0]), body

    def _environ(self, path: str, query: str) -> "dict[str, Any]":
        return {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": path.encode().decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": self._host,
            "SERVER_PORT": "443" if self._scheme == "https" else "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": self._host,
            "HTTP_USER_AGENT": "hotclub-tune",
            "HTTP_X_FORWARDED_PROTO": self._scheme,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self._scheme,
            "wsgi.input": BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
