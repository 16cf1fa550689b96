"""Caches in the memory of each worker, of which each worker has its own.

Sessions there are lost from one request to the next. Tuning `shared_cache`, only when it is asked
for, puts one in files in their place, for all workers and whatever generations come.
"""

import hashlib
import os
from typing import Any, Optional

from hotclub_worker.templates import Finding

LOCAL = "django.core.cache.backends.locmem.LocMemCache"
FILES = "django.core.cache.backends.filebased.FileBasedCache"


def share(settings: Any, folder: Optional[str]) -> "list[Finding]":
    """`folder`: the app's own, on which nobody else may write: what lies there is unpickled."""
    caches = getattr(settings, "CACHES", None)
    if type(caches) is not dict or not folder:
        return []
    found = []
    changed = {}
    for alias, entry in caches.items():
        changed[alias] = entry
        if _is_local(entry):
            # Caches of one LOCATION are one.
            name = hashlib.sha256(str(entry.get("LOCATION", "")).encode()).hexdigest()[:16]
            place = os.path.join(folder, name)
            changed[alias] = {**entry, "BACKEND": FILES, "LOCATION": place}
            code = '"BACKEND": "django.core.cache.backends.redis.RedisCache" (or another one)'
            found.append(
                Finding(f"CACHES[{alias!r}]", True, "all workers share it, in files", code)
            )
    if found:
        settings.CACHES = changed
    return found


def local(settings: Any, workers: int) -> "list[Finding]":
    """Caches that the settings put into each worker. Django's own default is nobody's wish."""
    is_said = getattr(settings, "is_overridden", lambda name: False)("CACHES")
    caches = getattr(settings, "CACHES", None)
    if workers < 2 or type(caches) is not dict or not is_said:
        return []
    what = f"each of the {workers} workers has its own; [app.tune] shared_cache = true joins them"
    named = [alias for alias, entry in caches.items() if _is_local(entry)]
    return [Finding(f"CACHES[{alias!r}]", False, what) for alias in named]


def sessions(settings: Any, workers: int) -> "list[dict[str, str]]":
    """Sessions in a cache that each worker has for itself: a visitor is logged in by one worker
    and a stranger to the next."""
    engine = str(getattr(settings, "SESSION_ENGINE", ""))
    caches = getattr(settings, "CACHES", None)
    if workers < 2 or not isinstance(caches, dict):
        return []
    if engine.rpartition(".")[2] not in ("cache", "cached_db"):
        return []
    alias = getattr(settings, "SESSION_CACHE_ALIAS", "default")
    cache = caches.get(alias)
    backend = str(cache.get("BACKEND", "")) if isinstance(cache, dict) else ""
    if not backend.endswith(".LocMemCache"):
        return []
    return [
        {
            "message": f"SESSION_ENGINE keeps sessions in CACHES[{alias!r}], a LocMemCache, which "
            f"each of the {workers} workers has for itself: visitors lose their sessions",
            "hint": "write shared_cache = true under [app.tune] in hotclub.toml, or remove "
            'SESSION_ENGINE (sessions then are in the database), or give CACHES["'
            f'{alias}"] a BACKEND that processes share, as '
            '"django.core.cache.backends.db.DatabaseCache" or "…redis.RedisCache"',
        }
    ]


def _is_local(entry: Any) -> bool:
    return type(entry) is dict and entry.get("BACKEND") == LOCAL
