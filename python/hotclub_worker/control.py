"""The control socket: JSON messages with the supervisor, descriptors beside them."""

import array
import fcntl
import json
import os
import socket as _socket
from typing import Any, Optional

#: Bytes of one message (docs/worker-protocol.md).
LIMIT = 60_000
#: Linux passes at most this many descriptors with one message (SCM_MAX_FD).
DESCRIPTORS_MAX = 253
#: The control descriptor is moved here or above, out of the way of what the app opens.
HIGH_DESCRIPTOR = 100

Message = "dict[str, Any]"


class Control:
    """The fork server's end."""

    def __init__(self, sock: _socket.socket) -> None:
        self._socket = sock

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def send(self, message: "dict[str, Any]") -> None:
        self._socket.send(encode(message))

    def receive(self) -> "Optional[tuple[dict[str, Any], list[int]]]":
        """The next message and its descriptors; None when the supervisor has gone."""
        room = _socket.CMSG_SPACE(DESCRIPTORS_MAX * array.array("i").itemsize)
        data, ancillary, flags, _ = self._socket.recvmsg(65536, room, _socket.MSG_CMSG_CLOEXEC)
        descriptors = received_descriptors(ancillary)
        if not data:
            return None
        if flags & _socket.MSG_CTRUNC:
            close_all(descriptors)
            raise OSError("too few free descriptors to take those of a control message")
        return json.loads(data), descriptors


def connect(where: str) -> Control:
    """Opens what HOTCLUB_CONTROL names: `fd:N` or `unix:/path`."""
    kind, _, rest = where.partition(":")
    if kind == "fd" and rest.isdigit():
        return Control(_adopt(int(rest)))
    if kind == "unix" and rest:
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        sock.connect(rest)
        return Control(_adopt(sock.detach()))
    raise ValueError(f"HOTCLUB_CONTROL is neither fd:N nor unix:/path: {where!r}")


def _adopt(descriptor: int) -> _socket.socket:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR)
    if descriptor > 2:
        os.close(descriptor)
    else:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        os.dup2(null, descriptor)
        os.close(null)
    sock = _socket.socket(fileno=moved)
    sock.settimeout(None)
    return sock


def received_descriptors(ancillary: "list[tuple[int, int, bytes]]") -> "list[int]":
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    return list(descriptors)


def close_all(descriptors: "list[int]") -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def encode(message: "dict[str, Any]") -> bytes:
    """The message as it travels; the traceback of a `failed` is cut in the middle until it fits."""
    data = _json(message)
    room = LIMIT
    while len(data) > LIMIT:
        room //= 2
        message = _shortened(message, room)
        data = _json(message)
    return data


def _json(message: "dict[str, Any]") -> bytes:
    # A lone surrogate (an undecodable byte of a path) has no place in JSON: "replace" makes it "?".
    return json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")


def _shortened(value: Any, room: int) -> Any:
    if isinstance(value, str) and len(value) > room // 2:
        half = max(room // 4, 1)
        return f"{value[:half]}\n… {len(value) - 2 * half} characters left out …\n{value[-half:]}"
    if isinstance(value, list):
        kept = max(room // 1000, 1)
        return [_shortened(item, room // 8) for item in value[:kept]]
    if isinstance(value, dict):
        return {key: _shortened(item, room) for key, item in value.items()}
    return value
