"""Runs collectstatic into a folder of Hotclub's, whatever STATIC_ROOT says."""

from __future__ import annotations

import os
from typing import Any

from hotclub_project import override, project


def main() -> None:
    request = project.read_request()
    project.prepare_path()
    into: str = request["into"]
    try:
        project.enter(request["settings"])
        override.static_root(into)
        found = collect(into)
    except BaseException as error:  # the project may raise anything
        project.answer(request["output"], {"raised": project.raised(error)})
    project.answer(request["output"], {"found": found})


def collect(into: str) -> dict[str, Any]:
    import django

    django.setup()
    from django.conf import settings

    if "django.contrib.staticfiles" not in settings.INSTALLED_APPS:
        return {"why": "django.contrib.staticfiles is not in INSTALLED_APPS"}
    if not settings._wrapped.STATIC_URL:
        return {"why": "STATIC_URL is not set"}
    from django.contrib.staticfiles.storage import staticfiles_storage as storage

    location = location_of(storage)
    if location is None or os.path.realpath(location) != os.path.realpath(into):
        kind = f"{type(storage._wrapped).__module__}.{type(storage._wrapped).__name__}"
        return {"why": f"{kind} keeps them at {location or 'a place that is not a folder'}"}
    from django.core.management import call_command

    call_command("collectstatic", interactive=False, verbosity=1)
    return {"hashed": hashed_names(storage)}


def location_of(storage: Any) -> str | None:
    from django.core.files.storage import FileSystemStorage

    storage.exists("")  # makes the lazy storage real
    if not isinstance(storage._wrapped, FileSystemStorage):
        return None
    return str(storage.location)


def hashed_names(storage: Any) -> list[str]:
    """Names with the hash of their content in them, which may be cached for ever."""
    hashed = getattr(storage, "hashed_files", None)
    return sorted(set(hashed.values())) if isinstance(hashed, dict) else []


if __name__ == "__main__":
    main()
