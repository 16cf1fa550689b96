"""What is served while a server is being mistreated: a small page after two milliseconds, as from a
database, and `/large`, a picture that does not fit into the kernel's buffers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

PAGE = b"here\n"
PICTURE = b"0123456789abcdef" * 8192


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    time.sleep(0.002)
    body = PICTURE if environ["PATH_INFO"] == "/large" else PAGE
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
