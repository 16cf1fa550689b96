"""The loop of one worker thread: a message from the queue, the app, frames of an answer.

The hot path of Hotclub: bench/worker_loop.py measures it (CPython 3.11: about 8 µs of processor
time a request, the two system calls included). What measuring decided:

- `recvmsg_into` one buffer that is kept costs the same as `recv_into`, which could not take a
  descriptor; `recv(262144)` makes and shrinks a large object each time and is eight times slower.
- The environ by `copy()` and `update(zip(…))` takes 4.1 µs, by `base | dict(zip(…))` 5.1 µs.
- Small answers: one `sendall` of joined bytes is 15 to 30 % faster than `sendmsg` of two pieces.
"""

import os
from collections.abc import Sequence
from io import BytesIO
from socket import CMSG_SPACE, MSG_CMSG_CLOEXEC, MSG_CTRUNC, socket
from time import monotonic_ns
from typing import Any, Callable, NoReturn, Optional

from hotclub_worker import report
from hotclub_worker.answer import Answer, AppFault, FrontGone
from hotclub_worker.board import DONE, REQUEST, STARTED
from hotclub_worker.control import close_all, received_descriptors
from hotclub_worker.files import FileWrapper, open_body
from hotclub_worker.wire import (
    BODY_BY_DESCRIPTOR,
    END,
    HEAD,
    HEADER,
    HEADER_LEN,
    MARKER,
    MESSAGE_ROOM,
)

App = Callable[["dict[str, Any]", Any], Any]

_DESCRIPTOR_ROOM = CMSG_SPACE(4)


class QueueLost(OSError):
    """The queue cannot be read: the app closed its descriptor, or the front speaks otherwise."""


def base_environ(server_software: str, multithread: bool) -> "dict[str, Any]":
    """What is the same in every environ of a worker."""
    return {
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_SOFTWARE": server_software,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": report.ErrorStream(),
        "wsgi.multithread": multithread,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
    }


class Strayed:
    """True in a process that the app forked off the worker and let run out of its own code.

    Such a process has its parent's slot and sockets. It must never answer, claim or pull.
    """

    __slots__ = ("flag",)

    def __init__(self) -> None:
        self.flag = False

    def leave(self, error: Optional[BaseException]) -> NoReturn:
        code = 1 if error is not None else 0
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            report.emit(report.trace(error))
        os._exit(code)


def serve(
    app: App,
    queue: socket,
    replies: "Sequence[socket]",
    cells: "memoryview[int]",
    base: "dict[str, Any]",
    strayed: Strayed,
) -> None:
    """Pulls requests until the queue is at its end.

    Raises QueueLost or FrontGone when the worker can no longer do its work.
    """
    buffer = bytearray(MESSAGE_ROOM)
    view = memoryview(buffer)
    buffers = [buffer]
    receive = queue.recvmsg_into
    unpack = HEADER.unpack_from
    copy = base.copy
    while True:
        try:
            size, ancillary, flags, _ = receive(buffers, _DESCRIPTOR_ROOM, MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            continue  # the receive timeout, see worker.QUEUE_TICK
        except OSError as error:
            raise QueueLost(f"the queue cannot be read: {error}") from error
        if size < HEADER_LEN:
            if size:
                raise QueueLost(f"a queue message of {size} bytes")
            return
        taken = monotonic_ns()
        kind, by_descriptor, lane, environ_len, request, _body_len, _queued = unpack(buffer)
        if kind == MARKER:
            _answer_marker(replies[lane], request, taken)
            continue
        cells[STARTED] = taken
        cells[REQUEST] = request
        end = HEADER_LEN + environ_len
        fields = iter(str(view[HEADER_LEN:end], "latin-1").split("\0"))
        environ = copy()
        environ.update(zip(fields, fields))
        answer = Answer(replies[lane], request, taken, environ, cells)
        if by_descriptor or ancillary:
            body = _descriptor_body(by_descriptor, flags, ancillary)
            if body is None:
                _refuse(answer, environ)
            else:
                environ["wsgi.input"] = body
                with body:
                    handle(app, environ, answer, strayed)
        else:
            environ["wsgi.input"] = BytesIO(view[end:size]) if size > end else BytesIO()
            handle(app, environ, answer, strayed)
        lost = answer.lost
        # Nothing of this request may live on while the next recv waits, perhaps for hours.
        environ = fields = answer = body = None  # type: ignore[assignment]
        if lost:
            # The claim stays: a request that ran must not look like one that no worker had begun.
            raise FrontGone("the reply socket cannot be written")
        cells[DONE] += 1
        cells[REQUEST] = 0


def handle(app: App, environ: "dict[str, Any]", answer: Answer, strayed: Strayed) -> None:
    """Runs the app for one request. The app's exceptions end here, whatever they are.

    SystemExit and KeyboardInterrupt, too, are answered with 500 and the worker goes on: a view that
    calls sys.exit must not cost the worker's other work, and leaving is the supervisor's decision.
    """
    result: Any = None
    failure: Optional[BaseException] = None
    try:
        result = app(environ, answer.start_response)
        if strayed.flag:
            strayed.leave(None)
        kind = type(result)
        if kind is list or kind is tuple:
            answer.whole(result)
        elif kind is not FileWrapper or not answer.file(result):
            _iterate(result, answer)
        if not answer.ended:
            answer.finish()
    except BaseException as error:
        failure = error
    if strayed.flag:
        strayed.leave(failure)
    if failure is not None:
        _fail(failure, environ, answer)
        failure = None
    close = getattr(result, "close", None)
    if close is not None:
        try:
            close()
        except BaseException as error:
            if strayed.flag:
                strayed.leave(error)
            _log(error, "the app's close() raised", environ, answer.request)


class Cancelled(Exception):
    """The client left; nothing is wrong with the app."""


def _iterate(result: Any, answer: Answer) -> None:
    for chunk in result:
        # An empty part is allowed and is not sent: it may come before start_response.
        if (chunk or not isinstance(chunk, bytes)) and not answer.part(chunk):
            return
        if not answer.ended and answer.cancelled():
            raise Cancelled


def _fail(failure: BaseException, environ: "dict[str, Any]", answer: Answer) -> None:
    quiet = isinstance(failure, (Cancelled, FrontGone)) or (
        # A list that was cut short because the client left is not the app's mistake.
        isinstance(failure, AppFault) and answer.cancelled()
    )
    if not quiet:
        what = "the app failed after its answer was complete" if answer.ended else "the app failed"
        _log(failure, what, environ, answer.request)
    try:
        answer.give_up()
    except FrontGone:
        pass  # answer.lost says it, and serve() ends the worker


def _log(error: BaseException, what: str, environ: "dict[str, Any]", request: int) -> None:
    name = report.request_id(environ, request)
    place = f"{report.request_line(environ)}, request {name}"
    report.emit(f"hotclub: {what} ({place})\n{report.trace(error, skip=1)}")


def _answer_marker(reply: socket, request: int, taken: int) -> None:
    try:
        reply.sendall(HEADER.pack(HEAD, END, 0, 0, request, 0, taken))
    except OSError as error:
        raise FrontGone(f"the reply socket cannot be written: {error}") from error


def _descriptor_body(by_descriptor: int, flags: int, ancillary: Any) -> Any:
    """The body's file; None when the kernel could not give us the descriptor."""
    descriptors = received_descriptors(ancillary)
    if by_descriptor & BODY_BY_DESCRIPTOR and len(descriptors) == 1 and not flags & MSG_CTRUNC:
        return open_body(descriptors[0])
    close_all(descriptors)
    return None


def _refuse(answer: Answer, environ: "dict[str, Any]") -> None:
    name = report.request_id(environ, answer.request)
    report.line(
        f"the body of a request did not arrive; are descriptors used up? "
        f"({report.request_line(environ)}, request {name})"
    )
    try:
        answer.give_up()
    except FrontGone:
        pass
