"""Makes a Django site faster than its settings say, where they say nothing and it is safe.

Runs in the process that loads the app. `settings()` acts between the loading of the settings and
`django.setup()`, `loaded()` once the app is imported; both write down what they did and what they
left alone, and why. No file of the user's is touched, no setting that was written is contradicted,
and nothing at all happens while DEBUG is on. docs/tuning.md is the same in words for people.

Tried and left out: rarer runs of the garbage collector. Once the loaded app is frozen
(`load.settle`), thresholds from 700 to 50,000 made no difference that could be measured on the
example's home page, at most 5 % on a page of 1,000 objects, and the workers grew.
"""

import sys
from typing import Any, Callable, NamedTuple, Optional

from hotclub_worker import databases, templates
from hotclub_worker.templates import Finding


class Wishes(NamedTuple):
    """`tune` of the supervisor's `load`."""

    persistent_connections: bool = False
    cached_templates: bool = False
    #: Worker processes, and threads in each: what a kept connection is multiplied by.
    workers: int = 1
    threads: int = 1

    @staticmethod
    def of(message: "Optional[dict[str, Any]]") -> "Optional[Wishes]":
        return Wishes(**message) if message else None


class Tuning:
    """What was done for one load of the app, as `loaded` reports it."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self._keeper: Optional[databases.Keeper] = None
        #: One entry a thing: `tuning`, `at`, `done`, `what`, and `code` for the user's settings.
        self.findings: list[dict[str, Any]] = []
        #: `message` and `hint` each.
        self.warnings: list[dict[str, str]] = []
        self._debug = False

    def settings(self, settings: Any) -> None:
        """Given the loaded settings, before anybody else reads from them."""
        self.findings, self.warnings, self._keeper = [], [], None
        self._debug = bool(getattr(settings, "DEBUG", False))
        if self._debug:
            self._note("all", lambda: [Finding("DEBUG", False, "DEBUG is on")])
            return
        if self._wishes.persistent_connections:
            self._keeper = databases.Keeper(self._wishes.workers * self._wishes.threads)
            self._note("persistent_connections", lambda: self._keep(settings))
        if self._wishes.cached_templates:
            self._note("cached_templates", lambda: templates.cache(settings))
        self.warnings += shared_memory(settings, self._wishes.workers)

    def loaded(self) -> None:
        """The app is imported, and not forked yet."""
        if self._debug:
            return
        if self._keeper is not None and "django.db" in sys.modules:
            self._note("persistent_connections", self._keep_truly)

    def _keep(self, settings: Any) -> "list[Finding]":
        return self._keeper.settings(settings) if self._keeper is not None else []

    def _keep_truly(self) -> "list[Finding]":
        if self._keeper is None:
            return []
        changed, warnings = self._keeper.loaded()
        self.warnings += warnings
        revised = {finding.at for finding in changed}
        self.findings = [finding for finding in self.findings if finding["at"] not in revised]
        return changed

    def _note(self, tuning: str, look: "Callable[[], list[Finding]]") -> None:
        """Settings may be any object and raise anything: a site must not fail for a tuning."""
        try:
            found = look()
        except Exception as error:
            found = [Finding("the settings", False, f"they cannot be looked at ({error!r})")]
        self.findings += [{"tuning": tuning, **finding._asdict()} for finding in found]


def shared_memory(settings: Any, workers: int) -> "list[dict[str, str]]":
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
            "hint": 'remove SESSION_ENGINE (sessions then are in the database), or give CACHES["'
            f'{alias}"] a BACKEND that processes share, as '
            '"django.core.cache.backends.db.DatabaseCache" or "…redis.RedisCache"',
        }
    ]
