"""Tuning `cached_templates`: parses each template once a process instead of once a request.

Django does so by itself, unless the settings name `loaders`: then it is the settings' business to
name the cached one too, and most forget it.
"""

from typing import Any, NamedTuple, Optional

DJANGO = "django.template.backends.django.DjangoTemplates"
CACHED = "django.template.loaders.cached.Loader"
#: Loaders whose templates come from files or from the settings and so change with the code only.
KNOWN = frozenset(
    {
        "django.template.loaders.filesystem.Loader",
        "django.template.loaders.app_directories.Loader",
        "django.template.loaders.locmem.Loader",
        "admin_tools.template_loaders.Loader",
        "apptemplates.Loader",
    }
)


class Finding(NamedTuple):
    """One thing that was looked at."""

    #: `DATABASES['default']`.
    at: str
    done: bool
    #: What was done, or why nothing was.
    what: str
    #: Written into the user's own settings, it makes the change permanent.
    code: Optional[str] = None


def cache(settings: Any) -> "list[Finding]":
    """Puts the cached loader around explicit loaders that lack it."""
    written: Any = getattr(settings, "TEMPLATES", None)
    if type(written) not in (list, tuple):
        return []
    found: list[Finding] = []
    changed = [_engine(f"TEMPLATES[{n}]", entry, found) for n, entry in enumerate(written)]
    if any(finding.done for finding in found):
        settings.TEMPLATES = changed
    return found


def _engine(at: str, entry: Any, found: "list[Finding]") -> Any:
    """The entry, or its copy with cached templates."""
    options = entry.get("OPTIONS") if type(entry) is dict else None
    if type(options) is not dict or "loaders" not in options:
        return entry
    reason = _left_alone(entry, options)
    if reason is not None:
        found.append(Finding(at, False, reason))
        return entry
    loaders = list(options["loaders"])
    code = f'"loaders": [("{CACHED}", {loaders!r})]'
    found.append(Finding(at, True, "each template is parsed once a process", code))
    return {**entry, "OPTIONS": {**options, "loaders": [(CACHED, loaders)]}}


def _left_alone(entry: "dict[str, Any]", options: "dict[str, Any]") -> Optional[str]:
    """Why these loaders stay as they are; None when nothing speaks against caching."""
    backend = str(entry.get("BACKEND"))
    if backend != DJANGO:
        return f"{backend} is not Django's own engine"
    if options.get("debug"):
        return "its OPTIONS turn debug on"
    loaders = options["loaders"]
    if type(loaders) not in (list, tuple):
        return "its loaders are no plain list"
    for loader in loaders:
        name = loader[0] if type(loader) in (list, tuple) and loader else loader
        if name == CACHED:
            return "its loaders are cached already"
        if name not in KNOWN:
            return f"whether templates of {name} may be cached is not known"
    return None
