"""Tuning `persistent_connections`: a worker keeps its database connection between requests.

Django closes it after each request unless CONN_MAX_AGE says otherwise, and making a new one costs
PostgreSQL a process and both sides a handshake. Kept connections must not be felt otherwise:

- Django asks a kept connection before its first use in a request (CONN_HEALTH_CHECKS).
- A worker that finds the server away, because it restarts, waits for it before it gives up.
- What an app does to a session (`SET`, temporary tables, advisory locks…) it expects to be over
  with the request: such a connection is closed with it, as before.
- Behind a pooler there is nothing to gain, and a session may be another's: it is left alone. The
  server's own process id, which a pooler cannot pass on, tells.
- What all workers together could keep must fit into what the server allows.
"""

import re
import sys
import time
from typing import Any, Callable, NamedTuple, Optional

from hotclub_worker.templates import Finding

#: Seconds a connection is kept: long enough that a busy worker hardly ever makes one, short enough
#: that the server gets back the memory that a session gathers, and that a move of the database
#: behind its name is followed within a minute.
MAX_AGE = 60
#: Seconds that a request waits for a server that was there and is gone. A restart takes one or two.
PATIENCE = 5.0
#: Seconds in which the server must answer when it is asked before the fork.
ASK_TIMEOUT = 3

POSTGRES = "django.db.backends.postgresql"
POSTGIS = "django.contrib.gis.db.backends.postgis"
_NAMED = {
    "django.db.backends.sqlite3": "SQLite opens a file, which a kept connection would not see "
    "replaced",
    "django.contrib.gis.db.backends.spatialite": "SQLite opens a file, which a kept connection "
    "would not see replaced",
    "django.db.backends.dummy": "there is no database",
}
#: The port of PgBouncer.
_POOLER_PORT = "6432"

_SESSION = re.compile(
    r"""(?:^|;|\*/)\s*(?:--[^\n]*\n\s*)*
        (?: SET\s+(?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b)
          | RESET\b | LISTEN\b | LOAD\b | PREPARE\s+(?!TRANSACTION\b)
          | CREATE\s+(?:(?:GLOBAL|LOCAL)\s+|OR\s+REPLACE\s+)?TEMP
          | DECLARE\b.*\bWITH\s+HOLD\b )
      | \bset_config\s*\( | \bsetseed\s*\( | \bpg_temp\b | \bINTO\s+TEMP
      | \bpg_(?:try_)?advisory_lock """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
#: Statements whose answer is remembered: an ORM repeats the same texts for ever.
_REMEMBERED = 1000


class Keeper:
    """Keeps the connections of one load of the app."""

    def __init__(self, sessions: int) -> None:
        #: Worker threads, each with a connection of its own.
        self._sessions = sessions
        self._kept: dict[str, Finding] = {}

    def settings(self, settings: Any) -> "list[Finding]":
        """Names CONN_MAX_AGE where the settings do not."""
        written = getattr(settings, "DATABASES", None)
        if written is not None and type(written) is not dict:
            kind = type(written).__name__
            return [Finding("DATABASES", False, f"it is computed when it is read ({kind})")]
        found: list[Finding] = []
        changed: dict[str, Any] = {}
        for alias, entry in (written or {}).items():
            at = f"DATABASES[{alias!r}]"
            reason = _left_alone(entry, settings)
            if reason is not None:
                found.append(Finding(at, False, reason))
                continue
            age = _wanted_age(settings)
            code = f'"CONN_MAX_AGE": {age}, "CONN_HEALTH_CHECKS": True'
            what = f"connections are kept for {age} s and checked before they are used again"
            self._kept[alias] = Finding(at, True, what, code)
            changed[alias] = {**entry, "CONN_MAX_AGE": age, "CONN_HEALTH_CHECKS": True}
        if changed:
            settings.DATABASES = {**(written or {}), **changed}
        return found + list(self._kept.values())

    def loaded(self) -> "tuple[list[Finding], list[dict[str, str]]]":
        """Asks each server whether what was planned is right, and looks after the connections.

        Returns what is different from what `settings` said, and warnings.
        """
        from django.db import connections

        changed: list[Finding] = []
        warnings: list[dict[str, str]] = []
        for alias, finding in list(self._kept.items()):
            server = ask(connections, alias)
            reason = None
            if server is not None and server.pooled:
                reason = "a pooler stands before the server: it keeps connections itself"
            elif server is not None and self._needed(connections, alias) > server.allowed:
                reason = f"the server allows {server.allowed} connections"
                warnings.append(self._too_many(finding.at, connections, alias, server))
            if reason is not None:
                # Connections read their own copy of these when they are made: it is not too late.
                connections.settings[alias].update(CONN_MAX_AGE=0, CONN_HEALTH_CHECKS=False)
                changed.append(Finding(finding.at, False, reason))
                del self._kept[alias]
        if self._kept:
            self._watch(connections)
        return changed, warnings

    def _needed(self, connections: Any, alias: str) -> int:
        """Connections that all workers may keep to the server of this database."""
        place = _place(connections.settings[alias])
        there = sum(1 for kept in self._kept if _place(connections.settings[kept]) == place)
        return self._sessions * there

    def _too_many(
        self, at: str, connections: Any, alias: str, server: "Server"
    ) -> "dict[str, str]":
        needed = self._needed(connections, alias)
        return {
            "message": f"{at}: the workers would keep {needed} connections, and the server allows "
            f"this user {server.allowed}; they are closed after each request instead",
            "hint": f"raise max_connections of the server above {needed}, or have fewer workers "
            "([app] workers)",
        }

    def _watch(self, connections: Any) -> None:
        make = connections.create_connection

        def create_connection(alias: str) -> Any:
            connection = make(alias)
            if alias in self._kept:
                look_after(connection)
            return connection

        connections.create_connection = create_connection
        for connection in connections.all(initialized_only=True):
            if connection.alias in self._kept:
                look_after(connection)


def _left_alone(entry: Any, settings: Any) -> Optional[str]:
    """Why connections to this database are not kept; None when nothing speaks against it."""
    if type(entry) is not dict:
        return f"it is computed when it is read ({type(entry).__name__})"
    for name in ("CONN_MAX_AGE", "CONN_HEALTH_CHECKS"):
        if name in entry:
            return f"the settings say {name} = {entry[name]!r}"
    engine = str(entry.get("ENGINE") or "django.db.backends.dummy")
    if engine not in (POSTGRES, POSTGIS):
        return _NAMED.get(engine, f"whether {engine} may keep connections is not known")
    if _django() < (4, 1):
        return "Django checks kept connections from 4.1 on"
    if entry.get("AUTOCOMMIT") is False:
        return "AUTOCOMMIT is off"
    options = entry.get("OPTIONS")
    if type(options) is dict and options.get("pool"):
        return "Django's pool keeps connections"
    if entry.get("DISABLE_SERVER_SIDE_CURSORS"):
        return "DISABLE_SERVER_SIDE_CURSORS speaks of a pooler before the server"
    if str(entry.get("PORT") or "") == _POOLER_PORT:
        return f"{_POOLER_PORT} is the port of a pooler, which keeps connections itself"
    if _wanted_age(settings) <= 0:
        return "the settings say CONN_MAX_AGE = 0, though beside DATABASES"
    return None


def _wanted_age(settings: Any) -> "int | float":
    """A common slip is CONN_MAX_AGE beside DATABASES and not in it: the wish is clear."""
    age = getattr(settings, "CONN_MAX_AGE", MAX_AGE)
    is_number = isinstance(age, (int, float)) and not isinstance(age, bool)
    return age if is_number else MAX_AGE


def _django() -> "tuple[int, ...]":
    return tuple(sys.modules["django"].VERSION[:2])


def _place(entry: "dict[str, Any]") -> "tuple[str, str]":
    return str(entry.get("HOST", "")), str(entry.get("PORT", ""))


# The server


class Server(NamedTuple):
    """What a PostgreSQL says of itself."""

    #: Connections that this user may have to this database.
    allowed: int
    #: Somebody between us and the server passes sessions on.
    pooled: bool


_QUESTION = """
SELECT pg_backend_pid(),
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int,
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user)
"""


def ask(connections: Any, alias: str) -> Optional[Server]:
    """Over a connection of its own, which is closed; None when there is no answer in time."""
    connection = connections.create_connection(alias)
    entry = connection.settings_dict
    options = {"connect_timeout": ASK_TIMEOUT, **(entry.get("OPTIONS") or {})}
    connection.settings_dict = {**entry, "OPTIONS": options}
    try:
        with connection.cursor() as cursor:
            cursor.execute(_QUESTION)
            backend, *limits = cursor.fetchone()
        pid = connection.connection.info.backend_pid
    except Exception:  # drivers have exceptions of their own; the site's probe will tell
        return None
    finally:
        connection.close()
    return Server(min(limit for limit in limits if limit >= 0), pid != backend)


# A connection


def look_after(connection: Any) -> None:
    """Makes a connection wait for a server that restarts, and forget what a request did to it."""
    if not isinstance(connection.__dict__.get("connect"), Patient):
        connection.connect = Patient(connection)
        connection.execute_wrappers.insert(0, Session(connection))


class Patient:
    """`connection.connect()` that waits out a restart of the server.

    After a wait in vain there is no other one until a connection was made: while a server is really
    away, requests fail at once, as they always did, and workers stay free for pages without it.
    """

    def __init__(self, connection: Any) -> None:
        self._connect: Callable[[], None] = connection.connect
        self._away = connection.Database.OperationalError
        self._hope = True

    def __call__(self) -> None:
        began = time.monotonic()
        pause = 0.02
        while True:
            try:
                self._connect()
            except self._away:
                if not self._hope:
                    raise
                if time.monotonic() - began + pause > PATIENCE:
                    self._hope = False
                    raise
                time.sleep(pause)
                pause = min(pause * 1.5, 0.25)
            else:
                self._hope = True
                return


class Session:
    """Sees every statement; one that changes the session ends it with the request."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._known: dict[Any, bool] = {}

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        text = sql if type(sql) is str else self._written(sql)
        changes = self._known.get(text)
        if changes is None:
            changes = self._learn(text)
        if changes:
            # Django closes what has reached its age when the request ends.
            self._connection.close_at = time.monotonic()
        return execute(sql, params, many, context)

    def _written(self, sql: Any) -> str:
        """Drivers take bytes and composed statements, too."""
        if isinstance(sql, bytes):
            return sql.decode(errors="replace")
        try:
            return str(sql.as_string(self._connection.connection))
        except Exception:
            return "SET what this is"

    def _learn(self, text: str) -> bool:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        changes = changes_session(text)
        if len(text) < 10_000:
            self._known[text] = changes
        return changes


def changes_session(sql: str) -> bool:
    """Whether a statement leaves something in its session after its transaction.

    In doubt yes: the price is one connection. What functions of the database do is not seen.
    """
    return _SESSION.search(sql) is not None
