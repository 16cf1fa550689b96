"""Enters a project the way its manage.py does, without running a command.

What manage.py does before Django takes over (load a .env file, choose the settings module, change
``sys.path``) happens here too: manage.py itself is run up to the point where it calls Django.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import traceback
from typing import Any, NoReturn

SETTINGS = "DJANGO_SETTINGS_MODULE"


class Reached(BaseException):
    """manage.py handed over to Django. Not an Exception, so that no ``except`` there stops it."""


def read_request() -> dict[str, Any]:
    """The one argument: a JSON object with at least ``output`` and ``settings``."""
    request: dict[str, Any] = json.loads(sys.argv[1])
    return request


def prepare_path() -> None:
    """Makes ``sys.path`` what it would be under manage.py: its folder first, ours not at all."""
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    here = os.getcwd()
    rest = [entry for entry in sys.path if entry not in ("", here, ours)]
    sys.path[:] = [here, *rest]
    hide_own_folder(ours)


def hide_own_folder(ours: str) -> None:
    """Gives the project back the PYTHONPATH that the user knows."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = [entry for entry in entries if entry and entry != ours]
    if kept:
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)
    else:
        os.environ.pop("PYTHONPATH", None)


def enter(option: str | None) -> tuple[str | None, str]:
    """Runs manage.py and returns the settings module and where its name came from."""
    given = os.environ.get(SETTINGS)
    run_manage_py()
    if option:
        os.environ[SETTINGS] = option
        return option, "option"
    chosen = os.environ.get(SETTINGS)
    return chosen, "environment" if given and given == chosen else "manage_py"


def run_manage_py() -> None:
    from django.core import management

    def reached(*_args: object, **_kwargs: object) -> NoReturn:
        raise Reached

    patched: list[tuple[Any, str, Any]] = [
        (management, "execute_from_command_line", management.execute_from_command_line),
        (management.ManagementUtility, "execute", management.ManagementUtility.execute),
    ]
    arguments = sys.argv
    sys.argv = ["manage.py", "check"]
    for owner, name, _ in patched:
        setattr(owner, name, reached)
    try:
        runpy.run_path("manage.py", run_name="__main__")
    except Reached:
        pass
    finally:
        sys.argv = arguments
        for owner, name, original in patched:
            setattr(owner, name, original)


def answer(path: str, content: dict[str, Any]) -> NoReturn:
    """Writes the answer and leaves at once: threads that the settings started do not hold us."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def raised(error: BaseException) -> dict[str, Any]:
    """The exception for the caller, who shortens the traceback to the user's frames."""
    return {
        "kind": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(type(error), error, error.__traceback__)),
        "module": getattr(error, "name", None) if isinstance(error, ImportError) else None,
    }
