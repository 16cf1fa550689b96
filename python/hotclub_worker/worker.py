"""A worker's process, from the fork to its end: descriptors, signals, threads, leaving.

Leaving on SIGTERM loses no message. The handler puts a descriptor at end of file in the place of
the queue (`dup2`, which the kernel does in one step), so every later receive of this process finds
the end, and nothing else is touched:

- A thread that is in its app goes on, answers, and then reads the end.
- A thread that is blocked in `recvmsg` holds the old queue. The signal interrupts it: the kernel
  either gives EINTR and takes nothing off the queue, or it gives a message, which is then handled
  like any other. Python repeats an interrupted call by the descriptor's number, which now is at
  its end. A message is never taken and dropped, because taking it and returning it is one system
  call, and the handler raises nothing in between.
- Left is the instant between Python's last look for signals and the system call: the signal is
  noted, but the thread goes to sleep on the old queue. With several threads this cannot happen:
  the main thread replaces the descriptor first and signals each thread afterwards, so whichever
  way a thread was going, it meets the signal or the new descriptor. A worker of one thread has
  nobody to do that; it wakes with the next message, which it then serves, or after QUEUE_TICK.
"""

import atexit
import faulthandler
import json
import os
import signal
import struct
import sys
import threading
from socket import AF_UNIX, SO_RCVTIMEO, SOCK_SEQPACKET, SOL_SOCKET, socket, socketpair
from typing import Any, Callable, NamedTuple, NoReturn, Optional

from hotclub_worker import load, report, wsgi
from hotclub_worker.answer import FrontGone
from hotclub_worker.board import (
    CANCEL,
    DONE,
    LEAVING,
    PID,
    REQUEST,
    SERVING,
    STARTED,
    STARTING,
    STATE,
    THREAD,
    Scoreboard,
)

#: Seconds after which a waiting worker looks for signals in any case; see above.
QUEUE_TICK = 2
#: Seconds that atexit functions and non-daemon threads get when a worker leaves.
LEAVE_SECONDS = 5.0
#: Writes the stacks of all threads to standard error.
STACK_SIGNAL = signal.SIGRTMAX - 1

LEFT, NOT_LOADED, DESCRIPTORS_LOST, BROKEN = 0, 3, 4, 70


class Generation(NamedTuple):
    """What all workers of a fork server have in common."""

    source: load.Source
    queue: int
    board: Scoreboard
    threads: int
    lanes: int
    server_software: str


class Birth(NamedTuple):
    """What one worker gets of its own."""

    slot: int
    replies: "list[int]"
    #: Write end of a pipe: one JSON message to the fork server, `ready` or `failed`.
    news: int
    #: The app, when the fork server has imported it.
    app: Optional[Callable[..., Any]]
    #: The fork server's process id.
    parent: int


def live(generation: Generation, birth: Birth) -> NoReturn:
    """The whole life of a worker. Called in the child; never returns."""
    code = BROKEN
    try:
        code = Worker(generation, birth).run()
    except BaseException as error:
        report.emit("hotclub: a worker failed\n" + report.trace(error))
    finally:
        os._exit(code)


class Worker:
    def __init__(self, generation: Generation, birth: Birth) -> None:
        self._generation = generation
        self._birth = birth
        self._strayed = wsgi.Strayed()
        count = generation.threads
        self._cells = [generation.board.cells(birth.slot + n) for n in range(count)]
        self._queue = _blocking(generation.queue)
        self._replies = [_blocking(descriptor) for descriptor in birth.replies]
        self._end = _descriptor_at_end()
        self._code = LEFT
        self._starting = threading.Lock()
        self._idents: list[int] = []

    def run(self) -> int:
        name_process("hotclub-worker")
        os.setpgid(0, 0)
        if os.getppid() != self._birth.parent:
            # An orphan before it was anything: its place may be another's by now.
            return LEFT
        self._claim_slots()
        app = self._birth.app
        if app is None:
            app = self._import()
            if app is None:
                return NOT_LOADED
        self._arm()
        if self._generation.threads == 1:
            self._serve_in_main(app)
        else:
            self._serve_in_threads(app)
        self._set_states(LEAVING)
        return self._leave()

    def _claim_slots(self) -> None:
        for cells in self._cells:
            for field in (REQUEST, STARTED, DONE, CANCEL):
                cells[field] = 0
            cells[PID] = os.getpid()
            cells[THREAD] = threading.get_native_id()
            cells[STATE] = STARTING

    def _import(self) -> Optional[Callable[..., Any]]:
        try:
            return load.load(self._generation.source)
        except BaseException as error:
            self._tell({"type": "failed", "error": load.describe(error)})
            return None

    def _arm(self) -> None:
        """Takes the signals that are ours; all others stay as the app set them."""
        signal.signal(signal.SIGTERM, self._on_terminate)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        faulthandler.register(STACK_SIGNAL, file=report.STDERR, all_threads=True, chain=False)
        if not faulthandler.is_enabled():
            faulthandler.enable(file=report.STDERR)
        os.register_at_fork(after_in_child=self._stray)

    def _stray(self) -> None:
        """In a process that the app forked: nothing of this worker's is its own.

        An open copy of a reply socket would keep the front from seeing that the worker died.
        """
        self._strayed.flag = True
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for sock in (self._queue, *self._replies):
            try:
                sock.close()
            except OSError:
                pass

    def _on_terminate(self, _signal: int, _frame: Any) -> None:
        if self._strayed.flag:
            return
        self._set_states(LEAVING)
        try:
            os.dup2(self._end, self._queue.fileno(), inheritable=False)
        except OSError:  # the app closed one of them; then the next receive fails by itself
            pass

    def _set_states(self, state: int) -> None:
        for cells in self._cells:
            cells[STATE] = state

    def _serve_in_main(self, app: Callable[..., Any]) -> None:
        self._set_states(SERVING)
        self._tell({"type": "ready"})
        self._serve(app, 0)

    def _serve_in_threads(self, app: Callable[..., Any]) -> None:
        wake, waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(wake, True)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        count = self._generation.threads
        done: list[int] = []
        for number in range(count):
            arguments = (app, number, done, waker)
            name = f"hotclub-{number}"
            threading.Thread(target=self._thread, args=arguments, name=name, daemon=True).start()
        self._tell({"type": "ready"})
        interrupted = False
        while len(done) < count:
            os.read(wake, 4096)  # a signal came, or a thread is done
            if self._cells[0][STATE] == LEAVING and not interrupted:
                interrupted = True
                self._interrupt()

    def _thread(self, app: Callable[..., Any], number: int, done: "list[int]", waker: int) -> None:
        cells = self._cells[number]
        with self._starting:
            # Under the lock, so that a SIGTERM's LEAVING is not written over.
            cells[THREAD] = threading.get_native_id()
            self._idents.append(threading.get_ident())
            if cells[STATE] == STARTING:
                cells[STATE] = SERVING
        self._serve(app, number)
        if self._strayed.flag:
            os._exit(BROKEN)
        _close_databases()
        self._on_terminate(0, None)  # one thread's end is the end of all
        done.append(number)
        os.write(waker, b"\0")
        # The thread stays until the process ends: _interrupt may still be about to signal it.
        threading.Event().wait()

    def _interrupt(self) -> None:
        """The queue's descriptor was replaced; now whoever still waits on the old one is woken."""
        for ident in self._idents:
            signal.pthread_kill(ident, signal.SIGTERM)

    def _serve(self, app: Callable[..., Any], number: int) -> None:
        generation = self._generation
        lanes = generation.lanes
        base = wsgi.base_environ(generation.server_software, generation.threads > 1)
        replies = self._replies[number * lanes : (number + 1) * lanes]
        try:
            wsgi.serve(app, self._queue, replies, self._cells[number], base, self._strayed)
        except (wsgi.QueueLost, FrontGone) as error:
            report.line(f"worker {os.getpid()} leaves: {error}")
            self._code = DESCRIPTORS_LOST
        except BaseException as error:
            report.emit("hotclub: a worker's loop failed\n" + report.trace(error))
            self._code = BROKEN

    def _tell(self, message: "dict[str, Any]") -> None:
        data = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
        try:
            while data:
                data = data[os.write(self._birth.news, data) :]
        except OSError:
            pass  # no fork server any more; the worker serves on without it
        os.close(self._birth.news)

    def _leave(self) -> int:
        """What sys.exit would do for the app (flushers, pools), but never without an end."""
        _close_databases()
        watchdog = threading.Timer(LEAVE_SECONDS, _overdue, (self._code,))
        watchdog.daemon = True
        watchdog.start()
        for ending in (threading._shutdown, atexit._run_exitfuncs):  # type: ignore[attr-defined]
            try:
                ending()
            except BaseException as error:
                report.emit("hotclub: an exit function of the app raised\n" + report.trace(error))
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass
        return self._code


def _overdue(code: int) -> None:
    report.line(f"worker {os.getpid()}: exit functions took over {LEAVE_SECONDS:g} s; cut short")
    os._exit(code)


def _blocking(descriptor: int) -> socket:
    sock = socket(fileno=descriptor)
    # An app may have called socket.setdefaulttimeout, which would hold for these too.
    sock.settimeout(None)
    return sock


def _descriptor_at_end() -> int:
    end, other = socketpair(AF_UNIX, SOCK_SEQPACKET)
    other.close()
    return end.detach()


def set_queue_tick(queue: int) -> None:
    """Sets the receive timeout, which belongs to the queue itself and so to all its readers."""
    sock = socket(fileno=queue)
    try:
        sock.settimeout(None)
        sock.setsockopt(SOL_SOCKET, SO_RCVTIMEO, struct.pack("@ll", QUEUE_TICK, 0))
    finally:
        sock.detach()


def name_process(name: str) -> None:
    """The name that ps and top show; at most 15 bytes."""
    try:
        with open("/proc/self/comm", "w") as comm:
            comm.write(name)
    except OSError:
        pass


def _close_databases() -> None:
    """Says goodbye to the databases of this thread, if the app uses Django."""
    database = sys.modules.get("django.db")
    if database is not None:
        try:
            database.connections.close_all()
        except Exception as error:
            report.line(f"the app's database connections did not close: {error}")
