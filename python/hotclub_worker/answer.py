"""One answer: `start_response`, `write()` and the frames they become (PEP 3333).

Invariant: a request ends with exactly one frame that is END or ABORT, whatever the app does; only a
lost reply socket (FrontGone) is exempt. An object serves one request only: an app that keeps
`start_response` for later must not reach another client.
"""

from array import array
from collections.abc import Sequence
from socket import SCM_RIGHTS, SOL_SOCKET, socket
from typing import Any, Callable, Optional

from hotclub_worker import report
from hotclub_worker.board import CANCEL
from hotclub_worker.files import FileWrapper
from hotclub_worker.head import encode, status_line
from hotclub_worker.head import statuses as _statuses
from hotclub_worker.wire import (
    ABORT,
    BODY,
    END,
    FILE,
    FILE_OFFSET,
    HEAD,
    HEADER,
    HEADER_LEN,
    PART_MAX,
)

_pack = HEADER.pack
#: From this many bytes a body is sent by vector; below, copying it behind its head is faster.
_VECTOR_FROM = 32 * 1024
_ERROR_BODY = b"Internal Server Error"
_ERROR_HEAD = (
    b"Internal Server Error\0Content-Type\0text/plain; charset=utf-8\0Content-Length\0%d"
    % len(_ERROR_BODY)
)


class FrontGone(ConnectionError):
    """The reply socket cannot be written: the front closed it, or the app closed ours."""


class AppFault(Exception):
    """The app broke PEP 3333."""


class Answer:
    """What is known of one answer so far."""

    __slots__ = (
        "bodiless",
        "cells",
        "ended",
        "environ",
        "full",
        "head",
        "head_sent",
        "length",
        "lost",
        "overlong",
        "reply",
        "request",
        "sent",
        "started",
        "status",
    )

    def __init__(
        self,
        reply: socket,
        request: int,
        started: int,
        environ: "dict[str, Any]",
        cells: "memoryview[int]",
    ) -> None:
        self.reply = reply
        self.request = request
        self.started = started
        self.environ = environ
        self.cells = cells
        self.bodiless: bool = environ.get("REQUEST_METHOD") == "HEAD"
        self.head: Optional[bytes] = None
        self.head_sent = False
        #: Whether method and status leave room for a body.
        self.full = False
        self.ended = False
        self.lost = False
        self.overlong = False
        self.length = -1
        self.sent = 0

    def start_response(
        self, status: str, headers: Any, exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None:
            try:
                if self.head_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.head is not None:
            raise AppFault("start_response was called a second time without exc_info")
        known = _statuses.get(status) or status_line(status)
        self.status, reason, has_body = known
        self.full = has_body and not self.bodiless
        self.head, self.length = encode(reason, headers)
        return self.write

    def write(self, data: bytes) -> None:
        """The imperative way; as PEP 3333 wants it, each call is sent before it returns."""
        if self.overlong or (self.ended and not self.bodiless and data):
            raise AppFault("write() after the answer was complete")
        if data or not isinstance(data, bytes):
            self.part(data)

    def whole(self, chunks: "Sequence[bytes]") -> None:
        """A list or tuple: everything is there, so it goes out in as few frames as possible."""
        if self.head is None:
            raise AppFault("the app never called start_response")
        if len(chunks) == 1:
            body = chunks[0]
            if not isinstance(body, bytes):
                raise AppFault(f"the app gave {type(body).__name__} where bytes belong")
        else:
            body = b"".join(chunks)
        if not self.head_sent:
            if self.length < 0:
                self.length = len(body)
            elif len(body) < self.length and self.full:
                raise self._too_short(len(body))
        if body:
            self.part(body)

    def part(self, data: bytes) -> bool:
        """Sends a part that is not empty; False when the answer takes no more."""
        if not isinstance(data, bytes):
            raise AppFault(f"the app gave {type(data).__name__} where bytes belong")
        if self.head is None:
            raise AppFault("the app gave a body before it called start_response")
        length, size = self.length, len(data)
        if size == length and self.full and size < _VECTOR_FROM and not self.head_sent:
            # The usual answer: all of it is here, and goes out in one frame by one send.
            self.head_sent = self.ended = True
            head = self.head
            start = _pack(HEAD, END, self.status, len(head), self.request, size, self.started)
            try:
                self.reply.sendall(start + head + data)
            except OSError as error:
                raise self._gone(error) from error
            self.sent = size
            return True
        if self.ended:
            return self._beyond(size)
        if not self.full:
            self._frame(HEAD, b"", True)
            return False
        if length < 0:
            end = False
        else:
            room = length - self.sent
            if size > room:
                self._beyond(size - room)
                data = data[:room]
                size = room
            end = size == room
        if size > PART_MAX:
            self._split(data, end)
        else:
            self._frame(BODY if self.head_sent else HEAD, data, end)
            self.sent += size
        return not self.overlong

    def file(self, wrapper: FileWrapper) -> bool:
        """Passes a regular file's descriptor on; False when it must be iterated instead."""
        if self.head is None or self.ended or not self.full:
            return False
        stretch = wrapper.stretch()
        if stretch is None:
            return False
        offset, length = stretch.offset, stretch.length
        if self.length >= 0:
            room = self.length - self.sent
            if length < room and not self.head_sent:
                raise self._too_short(self.sent + length)
            length = min(length, room)
        if length == 0:
            return True
        # Head and file in one message: the front then knows at once that the body is a file.
        start = b"" if self.head_sent else self._head_frame(b"", False)
        complete = self.length < 0 or self.sent + length == self.length
        flags = END if complete else 0
        frame = start + _pack(FILE, flags, 0, FILE_OFFSET.size, self.request, length, 0)
        rights = [(SOL_SOCKET, SCM_RIGHTS, array("i", [stretch.descriptor]))]
        frame += FILE_OFFSET.pack(offset)
        try:
            done = self.reply.sendmsg([frame], rights)
            if done < len(frame):
                self.reply.sendall(frame[done:])
        except OSError as error:
            raise self._gone(error) from error
        self.sent += length
        self.ended = complete
        return True

    def finish(self) -> None:
        """The app's iterable is at its end."""
        if self.ended:
            return
        if self.head is None:
            raise AppFault("the app never called start_response")
        if self.full and self.sent < self.length:
            raise self._too_short(self.sent)
        self._frame(BODY if self.head_sent else HEAD, b"", True)

    def give_up(self) -> None:
        """Ends an answer that cannot be completed: 500 when nothing was sent yet, else ABORT."""
        if self.ended or self.lost:
            return
        if self.head_sent:
            self._send(_pack(ABORT, 0, 0, 0, self.request, 0, 0))
        else:
            self.head, self.status = _ERROR_HEAD, 500
            self._frame(HEAD, b"" if self.bodiless else _ERROR_BODY, True)
        self.ended = True

    def cancelled(self) -> bool:
        """Whether the front has said that the client left."""
        return self.cells[CANCEL] == self.request

    def _frame(self, kind: int, data: bytes, end: bool) -> None:
        flags = END if end else 0
        if kind == HEAD:
            start = self._head_frame(data, end)
        else:
            start = _pack(kind, flags, 0, 0, self.request, len(data), 0)
        if end:
            self.ended = True
        if len(data) < _VECTOR_FROM:
            self._send(start + data)
        else:
            self._send_vector(start, data)

    def _head_frame(self, data: bytes, end: bool) -> bytes:
        """Header and head; `data` follows."""
        head = self.head or b""
        flags = END if end else 0
        self.head_sent = True
        return (
            _pack(HEAD, flags, self.status, len(head), self.request, len(data), self.started) + head
        )

    def _send(self, data: bytes) -> None:
        try:
            self.reply.sendall(data)
        except OSError as error:
            raise self._gone(error) from error

    def _send_vector(self, start: bytes, data: Any) -> None:
        try:
            done = self.reply.sendmsg((start, data))
            if done < len(start):
                self.reply.sendall(start[done:])
                done = len(start)
            if done < len(start) + len(data):
                self.reply.sendall(memoryview(data)[done - len(start) :])
        except OSError as error:
            raise self._gone(error) from error

    def _gone(self, error: OSError) -> FrontGone:
        self.lost = True
        return FrontGone(f"the reply socket of the front: {error}")

    def _split(self, data: bytes, end: bool) -> None:
        view = memoryview(data)
        for start in range(0, len(data), PART_MAX):
            piece: Any = view[start : start + PART_MAX]
            last = end and start + PART_MAX >= len(data)
            self._frame(BODY if self.head_sent else HEAD, piece, last)
            self.sent += len(piece)
            if not last and self.cancelled():
                return

    def _beyond(self, size: int) -> bool:
        if not self.overlong and self.full:
            self._tell(f"the app gave more bytes than its Content-Length of {self.length}; cut off")
        self.overlong = True
        return False

    def _too_short(self, got: int) -> AppFault:
        return AppFault(f"the app gave {got} bytes and promised {self.length} by Content-Length")

    def _tell(self, text: str) -> None:
        environ = self.environ
        name = report.request_id(environ, self.request)
        report.line(f"{text} ({report.request_line(environ)}, request {name})")


assert HEADER.size == HEADER_LEN
