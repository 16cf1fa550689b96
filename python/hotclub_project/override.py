"""Changes settings after they were loaded and before Django is set up, in no file of the user's."""

from __future__ import annotations

from typing import Any, Callable


def after_loading(change: Callable[[Any], None]) -> None:
    """Calls ``change`` with the settings' holder each time that Django loads the settings."""
    from django.conf import LazySettings

    setup = LazySettings._setup

    def changed(self: Any, name: Any = None) -> None:
        setup(self, name)
        change(self._wrapped)

    LazySettings._setup = changed


def static_root(path: str) -> None:
    """Collects into, and reads Django's manifest of hashed names from, ``path``."""

    def change(settings: Any) -> None:
        settings.STATIC_ROOT = path
        storages = getattr(settings, "STORAGES", None) or {}
        options = storages.get("staticfiles", {}).get("OPTIONS") or {}
        if "location" in options:
            options["location"] = path

    after_loading(change)
