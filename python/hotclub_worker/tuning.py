"""Makes a Django site faster than its settings say, where they say nothing and it is safe.

Runs in the process that loads the app. `settings()` acts between the loading of the settings and
`django.setup()`, `loaded()` once the app is imported; both write down what they did and what they
left alone, and why. No file of the user's is touched, no setting that was written is contradicted,
and nothing at all happens while DEBUG is on. docs/tuning.md is the same in words for people.
"""

import sys
from typing import Any, Callable, NamedTuple, Optional

from hotclub_worker import caches, databases, idle, rubbish, templates
from hotclub_worker.templates import Finding


class Wishes(NamedTuple):
    """`tune` of the supervisor's `load`."""

    persistent_connections: bool = False
    cached_templates: bool = False
    gc: bool = False
    idle_gzip: bool = False
    idle_whitenoise: bool = False
    shared_cache: bool = False
    #: The front compresses whatever can be.
    compresses: bool = False
    #: STATIC_URL, where the front serves what lies there.
    static_url: Optional[str] = None
    #: A folder of the app's own, for a cache that its processes share.
    shared_folder: Optional[str] = None
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
        if self._wishes.idle_gzip:
            self._note("idle_gzip", lambda: idle.gzip(settings, self._wishes.compresses))
        if self._wishes.idle_whitenoise:
            served = self._wishes.static_url
            self._note("idle_whitenoise", lambda: idle.whitenoise(settings, served))
        self._note("shared_cache", lambda: self._share(settings))
        self.warnings += caches.sessions(settings, self._wishes.workers)

    def loaded(self) -> None:
        """The app is imported, and not forked yet."""
        if self._debug:
            return
        if self._keeper is not None and "django.db" in sys.modules:
            self._note("persistent_connections", self._keep_truly)
        if self._wishes.gc:
            self._note("gc", rubbish.rarely)

    def _share(self, settings: Any) -> "list[Finding]":
        if self._wishes.shared_cache:
            return caches.share(settings, self._wishes.shared_folder)
        return caches.local(settings, self._wishes.workers)

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
