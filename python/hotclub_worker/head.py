"""What an app may put into a head: status lines, names and values (PEP 3333, RFC 9110 5.5, 5.6.2).

Speed: names and status lines of an app repeat, so each is checked once and then found in a table;
all values are checked together, in one pass over the encoded head.
"""

import re
from typing import Any, Optional

from hotclub_worker import report
from hotclub_worker.wire import HEAD_MAX

PLAIN, LENGTH, HOP_BY_HOP = 0, 1, 2

_HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    )
)
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
#: Bytes that cannot be part of a reason or value: controls, except the tab.
_CONTROLS = bytes(byte for byte in range(32) if byte != 9) + b"\x7f"
#: An app that makes up names must not make these tables grow for ever.
_TABLE_MAX = 1000

_names: "dict[str, int]" = {}
#: By status line: code, reason, and whether such an answer has a body.
statuses: "dict[str, tuple[int, str, bool]]" = {}
_warned: "set[str]" = set()


def status_line(status: Any) -> "tuple[int, str, bool]":
    """Reads a line like `200 OK` and keeps it in `statuses`; the reason may be missing."""
    if not isinstance(status, str):
        raise TypeError(f"the status is {type(status).__name__}, not str: {status!r}")
    digits, space, reason = status[:3], status[3:4], status[4:]
    digits_fit = len(digits) == 3 and digits.isascii() and digits.isdigit() and digits >= "100"
    if not digits_fit or space not in ("", " "):
        raise ValueError(f"the status is not like '200 OK': {status!r}")
    code = int(digits)
    known = code, reason, code >= 200 and code != 204 and code != 304
    if len(statuses) < _TABLE_MAX:
        statuses[status] = known
    return known


def encode(reason: str, headers: Any) -> "tuple[bytes, int]":
    """The head as it travels, and the Content-Length (-1 without one)."""
    parts = [reason]
    length: Optional[int] = None
    for name, value in headers:
        kind = _names.get(name)
        if kind is None:
            kind = _classify(name)
        if kind:
            if kind == HOP_BY_HOP:
                _warn(name)
                continue
            given = _length(value)
            if length is not None:
                if given != length:
                    raise ValueError("two Content-Length headers that differ")
                continue
            length = given
        parts.append(name)
        parts.append(value)
    try:
        head = "\0".join(parts).encode("latin-1")
    except TypeError:
        raise TypeError("a header's value is not str: " + _culprit(parts)) from None
    except UnicodeEncodeError:
        raise ValueError("a header's value has characters beyond Latin-1") from None
    # One pass finds CR, LF, NUL and every other control: all that may go is the separators.
    if len(head.translate(None, _CONTROLS)) != len(head) - len(parts) + 1:
        raise ValueError("control characters in a header's value or the reason: " + _culprit(parts))
    if len(head) > HEAD_MAX:
        raise ValueError(f"a head of {len(head)} bytes; at most {HEAD_MAX} are taken")
    return head, -1 if length is None else length


def _classify(name: Any) -> int:
    if not isinstance(name, str):
        raise TypeError(f"a header's name is {type(name).__name__}, not str: {name!r}")
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"not a header's name: {name!r}")
    lower = name.lower()
    kind = PLAIN
    if lower == "content-length":
        kind = LENGTH
    elif lower in _HOP_BY_HOP:
        kind = HOP_BY_HOP
    if len(_names) < _TABLE_MAX:
        _names[name] = kind
    return kind


def _length(value: Any) -> int:
    if not isinstance(value, str):
        raise TypeError(f"Content-Length is {type(value).__name__}, not str: {value!r}")
    if not (value.isascii() and value.isdigit()) or len(value) > 18:
        raise ValueError(f"not a Content-Length: {value!r}")
    return int(value)


def _culprit(parts: "list[Any]") -> str:
    for index, part in enumerate(parts):
        if not isinstance(part, str) or _has_controls(part.encode("latin-1", "replace")):
            return f"{parts[index - 1]}: {part!r}"[:200] if index else repr(part)[:200]
    return "?"


def _has_controls(text: bytes) -> bool:
    return len(text.translate(None, _CONTROLS)) != len(text)


def _warn(name: str) -> None:
    # The connection to the client is the front's: PEP 3333 "Other HTTP Features" forbids these.
    # Dropped rather than refused: sites that run behind other servers today send them.
    lower = name.lower()
    if lower not in _warned:
        _warned.add(lower)
        report.line(f"the app sends the hop-by-hop header {name}; it is left out (said once)")
