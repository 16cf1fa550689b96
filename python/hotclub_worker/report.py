"""Lines on standard error.

Written straight to descriptor 2 in one call: it must work whatever the app did to sys.stderr, and
lines of several workers must not mix. It never raises: a log that cannot be written is no reason
to lose an answer.
"""

import sys
import traceback
from os import write as _write
from typing import Any, Optional

STDERR = 2


def line(text: str) -> None:
    emit("hotclub: " + text + "\n")


def emit(text: str) -> None:
    data = text.encode("utf-8", "backslashreplace")
    try:
        while data:
            data = data[_write(STDERR, data) :]
    except OSError:
        pass


def escaped(text: str) -> str:
    """Control characters and everything that is not ASCII written as escapes."""
    return text.encode("unicode_escape").decode("ascii")


def request_line(environ: "dict[str, Any]") -> str:
    """The request as a log names it. The environ is the app's to change, so nothing is trusted."""
    try:
        path = str(environ.get("SCRIPT_NAME", "")) + str(environ.get("PATH_INFO", ""))
        query = str(environ.get("QUERY_STRING", ""))
        text = f"{environ.get('REQUEST_METHOD', '?')} {path}{'?' if query else ''}{query}"
        return escaped(text)
    except Exception:
        return "?"


def request_id(environ: "dict[str, Any]", number: int) -> str:
    """The X-Request-ID of the front, beside the number that the scoreboard shows."""
    named = environ.get("HTTP_X_REQUEST_ID")
    return f"{escaped(named)} #{number}" if isinstance(named, str) and named else f"#{number}"


def trace(error: BaseException, skip: int = 0) -> str:
    """The traceback of `error` without its `skip` outermost frames, which are Hotclub's own."""
    try:
        stack = error.__traceback__
        while skip and stack is not None and stack.tb_next is not None:
            stack = stack.tb_next
            skip -= 1
        return "".join(traceback.format_exception(type(error), error, stack))
    except BaseException as second:  # a __str__ or __repr__ of the app's that raises
        return f"{type(error).__name__} (its traceback cannot be shown: {type(second).__name__})\n"


class ErrorStream:
    """`wsgi.errors`: whatever sys.stderr is at the moment, and never a reason to fail."""

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"wsgi.errors takes str, not {type(text).__name__}")
        stream = self._stream()
        try:
            if stream is not None:
                stream.write(text)
                return len(text)
        except (OSError, ValueError):  # closed by the app, or nobody reads it
            pass
        emit(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for text in lines:
            self.write(text)

    def flush(self) -> None:
        try:
            stream = self._stream()
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass

    def _stream(self) -> Optional[Any]:
        return sys.stderr
