"""Where the time of a page goes: SQL, templates, middleware, and the rest of Python.

One clock, of which at any moment one thing is in charge: what begins takes over, and gives back
when it ends, so that the parts add up to the whole and nothing is counted twice.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, Optional

from hotclub_worker import django_hook, load

Get = Callable[[str], Any]
#: What is in charge: `sql`, `template`, `middleware` or `python`; what it is; and where.
Key = "tuple[str, str, str]"

_REST = ("python", "", "")
_TEXT_MAX = 200


class Meter:
    """The clock, and what it was told."""

    def __init__(self) -> None:
        self.spent: dict[tuple[str, str, str], list[float]] = {}
        self.connections = 0
        self._charge: list[tuple[str, str, str]] = [_REST]
        self._since = time.perf_counter()

    def clear(self) -> None:
        self.spent, self.connections = {}, 0
        self._since = time.perf_counter()

    @contextmanager
    def charge(self, kind: str, what: str, at: str) -> Iterator[None]:
        key = (kind, what, at)
        self._turn()
        self._charge.append(key)
        self.spent.setdefault(key, [0.0, 0])[1] += 1
        try:
            yield
        finally:
            self._turn()
            self._charge.pop()

    def stop(self) -> None:
        self._turn()

    def template(self) -> str:
        """The template that is being rendered, if any."""
        names = [what for kind, what, _ in self._charge if kind == "template"]
        return names[-1] if names else ""

    def _turn(self) -> None:
        now = time.perf_counter()
        self.spent.setdefault(self._charge[-1], [0.0, 0])[0] += now - self._since
        self._since = now

    # What is metered

    def before(self) -> None:
        """To be called before the app is loaded: middleware is put together only once."""
        django_hook.install(self._middleware)

    def after(self) -> None:
        """To be called once the app is loaded."""
        if "django.template.base" in sys.modules:
            self._templates(sys.modules["django.template.base"].Template)
        if "django.db" in sys.modules:
            for connection in sys.modules["django.db"].connections.all():
                self._database(connection)

    def _middleware(self, settings: Any) -> None:
        from django.core.handlers import base

        names = {str(name) for name in getattr(settings, "MIDDLEWARE", None) or ()}
        find = base.import_string

        def import_string(name: str) -> Any:
            found = find(name)
            return Middleware(self, found, name) if name in names else found

        base.import_string = import_string

    def _templates(self, template: Any) -> None:
        render, compile_nodelist = template._render, template.compile_nodelist

        def _render(this: Any, context: Any) -> Any:
            with self.charge("template", _short(this.origin.name), ""):
                return render(this, context)

        def compile_again(this: Any) -> Any:
            with self.charge("template", _short(this.origin.name), "parsed"):
                return compile_nodelist(this)

        template._render, template.compile_nodelist = _render, compile_again

    def _database(self, connection: Any) -> None:
        connect = connection.connect

        def timed_connect() -> None:
            self.connections += 1
            with self.charge("sql", f"a new connection to {connection.alias!r}", ""):
                connect()

        def timed(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
            at = _place(self.template())
            with self.charge("sql", str(sql)[:_TEXT_MAX], at):
                return execute(sql, params, many, context)

        connection.connect = timed_connect
        connection.execute_wrappers.append(timed)


class Middleware:
    """Stands for a middleware's class: what it makes is timed, without what it calls."""

    def __init__(self, meter: Meter, factory: Any, name: str) -> None:
        self._meter, self._factory, self._name = meter, factory, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._factory, name)

    def __call__(self, get_response: Any) -> Any:
        meter = self._meter

        def inner(request: Any) -> Any:
            with meter.charge("python", "", ""):
                return get_response(request)

        made = self._factory(inner)
        return Timed(meter, made, self._name) if made is not None else None


class Timed:
    def __init__(self, meter: Meter, made: Any, name: str) -> None:
        self._meter, self._made, self._name = meter, made, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made, name)

    def __call__(self, request: Any) -> Any:
        with self._meter.charge("middleware", self._name, ""):
            return self._made(request)


class Close:
    """A close look at pages, one after the other."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._found: list[dict[str, Any]] = []

    def of(self, path: str, get: Get, looks: int) -> "dict[str, Any]":
        meter = self._meter
        get(path)
        meter.clear()
        for _ in range(looks):
            get(path)
        meter.stop()
        parts = {"sql": 0.0, "template": 0.0, "middleware": 0.0, "python": 0.0}
        queries = 0
        for (kind, what, at), (seconds, count) in meter.spent.items():
            parts[kind] += seconds * 1000 / looks
            is_query = kind == "sql" and not what.startswith("a new connection")
            queries += int(count) if is_query else 0
            if kind != "python":
                found = {"kind": kind, "what": what, "at": at, "page": path}
                per_page = {"count": count / looks, "ms": seconds * 1000 / looks}
                self._found.append({**found, **per_page})
        return {
            "queries": queries / looks,
            "connections": meter.connections / looks,
            "sql_ms": parts["sql"],
            "template_ms": parts["template"],
            "python_ms": parts["python"] + parts["middleware"],
        }

    def costly(self) -> "list[dict[str, Any]]":
        """The three things that cost most; a thing on several pages counts where it is worst."""
        worst: dict[tuple[str, str, str], dict[str, Any]] = {}
        for found in self._found:
            key = (found["kind"], found["what"], found["at"])
            if key not in worst or worst[key]["ms"] < found["ms"]:
                worst[key] = found
        return sorted(worst.values(), key=lambda found: -float(found["ms"]))[:3]


def look_closely(meter: Optional[Meter]) -> Close:
    meter = meter or Meter()
    meter.after()
    return Close(meter)


def _place(template: str) -> str:
    """The user's own line that led to a query."""
    foreign = load._foreign_folders()
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(foreign):
            place = f"{_short(code.co_filename)}:{frame.f_lineno} in {code.co_name}"
            return f"{place}, for {template}" if template else place
        if frame.f_back is None:
            break
        frame = frame.f_back
    return template


def _short(path: str) -> str:
    here = os.getcwd() + os.sep
    return path[len(here) :] if path.startswith(here) else path
