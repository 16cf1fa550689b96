"""Notes which environment variables the settings read while they are imported.

A read counts when the settings' own code caused it, directly or through a helper such as
django-environ or python-decouple: walking up the stack, a file of the project comes before the
import machinery. What libraries read while they are being imported does not count.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

# Typed as Any: its methods are replaced while the settings are imported.
_Environ: Any = type(os.environ)
_LOADERS = ("dotenv",)
_LOADING_FUNCTIONS = ("read_env", "load_dotenv")


class Recorder:
    """Patches ``os.environ``'s class from ``start`` to ``stop``; keeps the first read of a name."""

    def __init__(self, root: str, outside: tuple[str, ...]) -> None:
        self.root = root.rstrip(os.sep) + os.sep
        self.outside = outside
        self.reads: dict[str, dict[str, Any]] = {}
        self.values: dict[str, str] = {}
        self._iterated: str | None = None
        self._copied_at: str | None = None
        self._own: dict[CodeType, bool] = {}

    def start(self) -> None:
        recorder = self
        self._getitem = getitem = _Environ.__getitem__
        self._iter = iterate = _Environ.__iter__

        def recorded_getitem(self: Any, key: str) -> str:
            value = _peek(getitem, self, key)
            recorder.note(key, value, False)
            found: str = getitem(self, key)
            return found

        def recorded_get(self: Any, key: str, default: Any = None) -> Any:
            value = _peek(getitem, self, key)
            recorder.note(key, value, default is not None)
            return default if value is None else value

        def recorded_iter(self: Any) -> Iterator[str]:
            recorder.note_copy()
            for key in iterate(self):
                recorder._iterated = key
                yield key
            recorder._iterated = None

        _Environ.__getitem__ = recorded_getitem
        _Environ.get = recorded_get
        _Environ.__iter__ = recorded_iter

    def stop(self) -> None:
        _Environ.__getitem__ = self._getitem
        _Environ.__iter__ = self._iter
        del _Environ.get

    def note(self, name: object, value: str | None, has_default: bool) -> None:
        if not isinstance(name, str):
            return
        if name == self._iterated:
            return
        if name in self.reads:
            self.reads[name]["has_default"] |= has_default
            return
        found = self._reader(sys._getframe(2), name)
        if found is None:
            return
        at, from_file = found
        if at == self._copied_at:
            return
        value = from_file if value is None else value
        if value is not None:
            self.values[name] = value
        self.reads[name] = {
            "name": name,
            "set": value is not None,
            "empty": value == "",
            "has_default": has_default,
            "at": at,
        }

    def note_copy(self) -> None:
        """``dict(os.environ)`` and loops over it read everything and ask for nothing."""
        found = self._reader(sys._getframe(2), "")
        self._copied_at = found[0] if found else None

    def _reader(self, start: FrameType, name: str) -> tuple[str, str | None] | None:
        """Where in the project the read was caused, and a value that a helper has from a file."""
        frame: FrameType | None = start
        from_file: str | None = None
        at: str | None = None
        while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
            code = frame.f_code
            module = str(frame.f_globals.get("__name__", ""))
            if self._is_own(code):
                # The outermost: the line of the settings, not of a function that it calls.
                path = os.path.realpath(code.co_filename)
                at = f"{path[len(self.root) :]}:{frame.f_lineno}"
            elif module.split(".", maxsplit=1)[0] in _LOADERS or code.co_name in _LOADING_FUNCTIONS:
                return None
            elif module == "decouple" and from_file is None:
                from_file = _decouple_value(frame, name)
            frame = frame.f_back
        return None if at is None else (at, from_file)

    def _is_own(self, code: CodeType) -> bool:
        known = self._own.get(code)
        if known is None:
            path = os.path.realpath(code.co_filename)
            known = not code.co_filename.startswith("<")
            known = known and path.startswith(self.root) and not path.startswith(self.outside)
            known = known and "site-packages" not in path
            self._own[code] = known
        return known


def _peek(getitem: Any, environ: Any, key: str) -> str | None:
    try:
        value: str = getitem(environ, key)
    except KeyError:
        return None
    return value


def _decouple_value(frame: FrameType, name: str) -> str | None:
    """python-decouple asks the environment first and has its .env file in memory beside it."""
    asked = frame.f_locals.get("self")
    repository = getattr(asked, "repository", asked)
    data = getattr(repository, "data", None)
    value = data.get(name) if isinstance(data, dict) else None
    return value if isinstance(value, str) else None
