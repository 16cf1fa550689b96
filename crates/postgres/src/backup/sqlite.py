"""Copies, checks and replaces SQLite databases for Hotclub; standard library only, any Python 3."""

import contextlib
import hashlib
import json
import os
import sqlite3
import sys

MARK = "hotclub_restored"
BUSY = 60


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def opened(path, mode):
    from urllib.parse import quote

    uri = "file:" + quote(os.path.abspath(path)) + "?mode=" + mode
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY, isolation_level=None)
    connection.text_factory = bytes
    return contextlib.closing(connection)


def rows_of(database, table):
    count, total = 0, 0
    for row in database.execute("SELECT * FROM " + quoted(table)):
        count += 1
        total += int.from_bytes(
            hashlib.md5(repr(row).encode(), usedforsecurity=False).digest()[:8], "big"
        )
    return {"rows": count, "checksum": str(total)}


def fingerprint(database):
    objects, tables = {}, {}
    for kind, name, sql in database.execute(
        "SELECT type, name, sql FROM sqlite_master ORDER BY name"
    ).fetchall():
        kind, name = kind.decode(), name.decode("utf-8", "surrogateescape")
        objects[kind] = objects.get(kind, 0) + 1
        if (
            kind == "table"
            and name != MARK
            and not (sql or b"").upper().startswith(b"CREATE VIRTUAL")
        ):
            tables[name] = rows_of(database, name)
    objects.pop("table", None)
    return {"tables": tables, "sequences": {}, "objects": objects}


def checked(path):
    with opened(path, "ro") as database:
        (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != b"ok":
            raise SystemExit("it is damaged: " + verdict.decode("utf-8", "replace"))
        return fingerprint(database)


def created(path):
    """A private, empty file: SQLite takes it for an empty database."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def synced(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def copy(source, target):
    created(target)
    with opened(source, "ro") as database, opened(target, "rw") as new:
        database.backup(new)
        new.execute("PRAGMA journal_mode = DELETE").fetchall()
    synced(target)


def keep(source, copy):
    created(copy)
    with opened(source, "ro") as database, opened(copy, "rw") as target:
        database.execute("BEGIN")
        found = fingerprint(database)
        database.backup(target)
        database.execute("COMMIT")
        target.execute("PRAGMA journal_mode = DELETE").fetchall()
    answer = {"version": sqlite3.sqlite_version, "source": found, "copy": checked(copy)}
    synced(copy)
    return answer


def replace(source, live, stamp):
    """The mark travels with the content: it is in the live file exactly when all of it is."""
    marked = live + "-hotclub-restoring"
    created(marked)
    try:
        with opened(source, "ro") as database, opened(marked, "rw") as target:
            database.backup(target)
            target.execute("DROP TABLE IF EXISTS " + MARK)
            target.execute("CREATE TABLE " + MARK + " (stamp TEXT)")
            target.execute("INSERT INTO " + MARK + " VALUES (?)", (stamp,))
        with opened(marked, "ro") as database, opened(live, "rwc") as target:
            target.execute("PRAGMA synchronous = FULL")
            database.backup(target)
    finally:
        os.unlink(marked)


def stamp(live):
    if not os.path.exists(live):
        return None
    with opened(live, "rw") as database:
        known = database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (MARK,)).fetchone()
        row = database.execute("SELECT stamp FROM " + MARK).fetchone() if known else None
        return row[0].decode() if row else None


def unmark(live):
    with opened(live, "rw") as database:
        database.execute("DROP TABLE IF EXISTS " + MARK)


def main():
    orders = {
        "copy": copy,
        "keep": keep,
        "look": checked,
        "replace": replace,
        "stamp": stamp,
        "unmark": unmark,
    }
    try:
        print(json.dumps(orders[sys.argv[1]](*sys.argv[2:])))
    except (sqlite3.Error, OSError) as error:
        raise SystemExit(str(error)) from None


main()
