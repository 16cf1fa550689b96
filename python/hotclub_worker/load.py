"""Finds and imports the app, and says why that failed.

The app is named as for Gunicorn: `module`, `module:attribute`, `module:package.attribute`,
`module:factory()` (also with literal arguments, which Gunicorn takes as well).
"""

import ast
import gc
import importlib
import linecache
import os
import sys
import sysconfig
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, NamedTuple, Optional

from hotclub_worker import django_hook
from hotclub_worker.tuning import Tuning, Wishes

_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
_FRAMES_MAX = 40
_MESSAGE_MAX = 4000


class AppNotFound(Exception):
    """The module was imported, but the app is not in it."""


class Source(NamedTuple):
    """Where the app is, as the supervisor's `load` names it."""

    app: str
    chdir: Optional[str]
    pythonpath: "list[str]"
    settings: "dict[str, Any]"
    tune: Optional[Wishes] = None


def load(source: Source, tuning: Optional[Tuning] = None) -> Callable[..., Any]:
    """Imports the app. Raises whatever the import raises, SystemExit included.

    `tuning` is for those who want to know what was tuned, even if the import fails.
    """
    if tuning is None and source.tune is not None:
        tuning = Tuning(source.tune)
    prepare_path(source)
    changes = [django_hook.overrides(source.settings)] if source.settings else []
    if tuning is not None:
        changes.append(tuning.settings)
    django_hook.install(*changes)
    app = find(source.app)
    _import_urls()
    if tuning is not None:
        tuning.loaded()
    return app


def _import_urls() -> None:
    """Imports Django's URLconf, and with it the views, which Django leaves to the first request.

    A broken one then is found before anybody is served, the workers share its memory, and a worker
    never imports code that was changed after its generation was loaded.
    """
    apps = sys.modules.get("django.apps")
    if apps is None or not apps.apps.ready:
        return
    from django.conf import settings
    from django.urls import get_resolver

    if getattr(settings, "ROOT_URLCONF", None):
        _ = get_resolver().url_patterns


def prepare_path(source: Source) -> None:
    """The same sys.path that Gunicorn gives the app: chdir, and each pythonpath before it."""
    if source.chdir:
        os.chdir(source.chdir)
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    for entry in source.pythonpath:
        path = os.path.abspath(entry)
        if path not in sys.path:
            sys.path.insert(0, path)


def find(name: str) -> Callable[..., Any]:
    module_name, _, expression = name.partition(":")
    attribute, arguments, keywords = _parse(expression or "application")
    thing: Any = importlib.import_module(module_name)
    for part in attribute:
        try:
            thing = getattr(thing, part)
        except AttributeError:
            path = ".".join(attribute)
            raise AppNotFound(f"the module {module_name!r} has no {path!r}") from None
    if arguments is not None:
        thing = thing(*arguments, **keywords)
    if not callable(thing):
        raise AppNotFound(f"{name!r} is {type(thing).__name__}, which cannot be called")
    app: Callable[..., Any] = thing
    return app


def _parse(expression: str) -> "tuple[list[str], Optional[list[Any]], dict[str, Any]]":
    wrong = f"{expression!r} is neither an attribute nor a call of one"
    try:
        node: Any = ast.parse(expression.strip(), mode="eval").body
        arguments: Optional[list[Any]] = None
        keywords: dict[str, Any] = {}
        if isinstance(node, ast.Call):
            arguments = [ast.literal_eval(value) for value in node.args]
            keywords = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
            node = node.func
        names: list[str] = []
        while isinstance(node, ast.Attribute):
            names.insert(0, node.attr)
            node = node.value
    except (SyntaxError, ValueError):
        raise AppNotFound(wrong) from None
    if not isinstance(node, ast.Name):
        raise AppNotFound(wrong)
    return [node.id, *names], arguments, keywords


def settle() -> None:
    """Makes the loaded process fit to be forked."""
    database = sys.modules.get("django.db")
    if database is not None:
        # Two processes that talk over one connection corrupt it.
        database.connections.close_all()
    gc.collect()
    # What is loaded now stays shared with the workers: their collector leaves it untouched.
    gc.freeze()


def django_version() -> Optional[str]:
    django = sys.modules.get("django")
    try:
        return str(django.get_version()) if django is not None else None
    except Exception:
        return None


def threads_alive() -> "list[str]":
    main = threading.main_thread()
    return [thread.name for thread in threading.enumerate() if thread is not main]


def memory() -> int:
    """Resident bytes of this process, 0 where /proc is missing."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def describe(error: BaseException) -> "dict[str, Any]":
    """The `error` object of the protocol."""
    try:
        message = str(error)
    except Exception:
        message = ""
    if isinstance(error, SystemExit):
        message = f"the app called sys.exit({error.code!r}) while it was imported"
    return {
        "type": type(error).__name__,
        "message": message[:_MESSAGE_MAX],
        "frames": _user_frames(error),
        "traceback": _whole_traceback(error),
    }


def _whole_traceback(error: BaseException) -> str:
    stack = error.__traceback__
    while stack is not None and stack.tb_next is not None and _is_own(stack):
        stack = stack.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, stack))
    except Exception as second:
        return f"{type(error).__name__} (its traceback cannot be shown: {second!r})"


def _is_own(stack: TracebackType) -> bool:
    return stack.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER)


def _user_frames(error: BaseException) -> "list[dict[str, Any]]":
    seen: set[int] = set()
    current: Optional[BaseException] = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = _frames_of(current)
        if frames:
            return frames[-_FRAMES_MAX:]
        current = current.__cause__ or current.__context__
    return []


def _frames_of(error: BaseException) -> "list[dict[str, Any]]":
    frames = []
    foreign = _foreign_folders()
    stack = error.__traceback__
    while stack is not None:
        code = stack.tb_frame.f_code
        file, line = code.co_filename, stack.tb_lineno
        if not file.startswith(foreign):
            frames.append(_frame(file, line, code.co_name, linecache.getline(file, line)))
        stack = stack.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        # The file that cannot be compiled is in no frame: it never ran.
        line = error.lineno or 0
        text = error.text or linecache.getline(error.filename, line)
        frames.append(_frame(error.filename, line, "<module>", text))
    return frames


def _frame(file: str, line: int, function: str, code: str) -> "dict[str, Any]":
    return {"file": file, "line": line, "function": function, "code": code.strip()[:500]}


def _foreign_folders() -> "tuple[str, ...]":
    paths = sysconfig.get_paths()
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {os.path.join(paths[name], "") for name in names if name in paths}
    for entry in sys.path:
        if os.path.basename(entry.rstrip("/")) in ("site-packages", "dist-packages"):
            folders.add(os.path.join(entry, ""))
    return (*folders, _OWN_FOLDER, "<frozen ")
