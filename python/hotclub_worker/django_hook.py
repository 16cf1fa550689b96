"""Does things to Django's settings after they were loaded and before `django.setup()` sees them.

Django is not imported here, only waited for. Whatever the app's wsgi.py does first (dotenv, its own
environment variables, a settings module chosen at run time), the settings are loaded by
`LazySettings._setup` or set by `LazySettings.configure`; both are wrapped.
"""

import functools
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from typing import Any, Callable, Optional

_MODULE = "django.conf"

#: Given the loaded settings object, before anybody else reads from it.
Change = Callable[[Any], None]


def overrides(values: "dict[str, Any]") -> Change:
    """Settings that get another value; `is_overridden()` is true for them afterwards."""

    def change(settings: Any) -> None:
        for name, value in values.items():
            setattr(settings, name, value)
        explicit = getattr(settings, "_explicit_settings", None)
        if isinstance(explicit, set):
            explicit.update(values)

    return change


def install(*changes: Change) -> None:
    """Applies the changes, in order, to settings that are loaded from now on."""
    wanted = list(changes)
    if not wanted:
        return
    module = sys.modules.get(_MODULE)
    if module is not None:
        _wrap(module, wanted)
    else:
        sys.meta_path.insert(0, _Watch(wanted))


class _Watch:
    """Stands first among the finders until `django.conf` was imported, then goes."""

    def __init__(self, changes: "list[Change]") -> None:
        self._changes = changes

    def find_spec(
        self, name: str, path: Optional[Sequence[str]], target: Any = None
    ) -> Optional[ModuleSpec]:
        if name != _MODULE:
            return None
        # Those behind this one: another watch asks on in its turn, and both get what they want.
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            find = getattr(finder, "find_spec", None)
            spec: Optional[ModuleSpec] = None
            if find is not None:
                spec = find(name, path, target)
            if spec is not None:
                self._watch(spec)
                return spec
        return None

    def _watch(self, spec: ModuleSpec) -> None:
        loader: Any = spec.loader
        run = loader.exec_module

        def exec_module(module: Any) -> None:
            run(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            _wrap(module, self._changes)

        loader.exec_module = exec_module


def _wrap(module: Any, changes: "list[Change]") -> None:
    lazy = module.LazySettings
    for name in ("_setup", "configure"):
        setattr(lazy, name, _followed_by(getattr(lazy, name), changes))
    if module.settings.configured:
        _apply(module.settings, changes)


def _followed_by(load: Callable[..., None], changes: "list[Change]") -> Callable[..., None]:
    @functools.wraps(load)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
        load(self, *args, **kwargs)
        _apply(self, changes)

    return wrapper


def _apply(lazy: Any, changes: "list[Change]") -> None:
    for change in changes:
        change(lazy._wrapped)
    # LazySettings keeps values it was asked for; forget those from before the change.
    for name in [name for name in vars(lazy) if name.isupper()]:
        vars(lazy).pop(name, None)
