"""Tuning `gc`: garbage is looked for after more new objects than Python's default.

A request of Django makes some thousand objects, of which hardly any is part of a cycle: at the
default most requests pay for a look that finds nothing. What was loaded is frozen in any case
(`load.settle`), so that the looks are short.
"""

import gc

from hotclub_worker.templates import Finding

#: New objects between two looks at the youngest. 50,000 was no faster, and the workers grew.
YOUNGEST = 10_000

_BEFORE = gc.get_threshold()


def rarely() -> "list[Finding]":
    """To be called once the app is imported, which may have had its own mind."""
    now = gc.get_threshold()
    if not gc.isenabled():
        return [Finding("gc", False, "the app turned the collector off")]
    if now != _BEFORE:
        return [Finding("gc", False, f"the app set its thresholds to {now}")]
    if now[0] >= YOUNGEST:
        return []
    gc.set_threshold(YOUNGEST, *now[1:])
    code = f"gc.set_threshold({YOUNGEST:_}, {now[1]}, {now[2]})"
    return [Finding("wsgi.py", True, f"garbage is looked for every {YOUNGEST} objects", code)]
