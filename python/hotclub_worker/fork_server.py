"""The fork server: imports the app once, forks workers from it and reports their lives.

One thread, one loop over the control socket, SIGCHLD and the pipes on which new workers report.
It knows what the supervisor asks and no more: which worker should live is decided there.
"""

import json
import os
import platform
import select
import signal
import sys
import time
from typing import Any, Callable, NoReturn, Optional

from hotclub_worker import __version__, load, report, worker
from hotclub_worker.board import Scoreboard
from hotclub_worker.control import Control, close_all, connect
from hotclub_worker.tuning import Tuning, Wishes
from hotclub_worker.wire import PROTOCOL

FAILED = 3


def main() -> int:
    # The control socket must be out of the way before anything can write to descriptor 0.
    where = os.environ.pop("HOTCLUB_CONTROL", "")
    if not where:
        print("hotclub_worker is started by hotclub: HOTCLUB_CONTROL is not set", file=sys.stderr)
        return 2
    control = connect(where)
    # Ctrl-C on the terminal reaches the whole process group; it is the supervisor's to act on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker.name_process("hotclub-fork")
    code = 70
    try:
        code = ForkServer(control).run()
    except (BrokenPipeError, ConnectionResetError):
        code = 0  # the supervisor is gone, which means quit
    except BaseException as error:
        report.emit("hotclub: the fork server failed\n" + report.trace(error))
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass
        # Not sys.exit: threads and exit functions of the app belong to the workers.
        os._exit(code)


class Quit(Exception):
    """The supervisor said so, or closed the control socket."""


class Child:
    """A worker, as long as it is not reaped."""

    def __init__(self, slot: int, pid: int, news: int) -> None:
        self.slot = slot
        self.pid = pid
        #: Read end of the pipe on which the worker says `ready` or `failed`; -1 once it has.
        self.news = news
        self.heard = b""


class ForkServer:
    def __init__(self, control: Control) -> None:
        self._control = control
        self._children: dict[int, Child] = {}
        self._poll = select.poll()
        self._app: Optional[Callable[..., Any]] = None
        self._generation: worker.Generation
        self._wake, self._waker = -1, -1
        self._previous_child_handler: Any = signal.SIG_DFL

    def run(self) -> int:
        self._control.send(
            {
                "type": "hello",
                "protocol": PROTOCOL,
                "pid": os.getpid(),
                "python": platform.python_version(),
                "executable": sys.executable,
            }
        )
        try:
            if not self._load():
                return FAILED
            self._listen()
            while True:
                self._turn()
        except Quit:
            return 0

    # Loading

    def _load(self) -> bool:
        message, descriptors = self._next()
        began = time.monotonic()
        tuning: Optional[Tuning] = None
        try:
            self._generation = _generation(message, descriptors)
            source = self._generation.source
            if source.tune is not None:
                tuning = Tuning(source.tune)
            if message.get("preload", True):
                self._app = load.load(source, tuning)
                load.settle()
        except BaseException as error:
            described = load.describe(error)
            described["tuned"] = tuning.findings if tuning else []
            self._control.send({"type": "failed", "error": described, "slot": None})
            return False
        self._control.send(
            {
                "type": "loaded",
                "seconds": round(time.monotonic() - began, 6),
                "django": load.django_version(),
                "threads": load.threads_alive(),
                "rss": load.memory(),
                "tuned": tuning.findings if tuning else [],
                "warnings": tuning.warnings if tuning else [],
            }
        )
        return True

    def _listen(self) -> None:
        # After the import, so that the app cannot have taken these from us.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._wake, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._previous_child_handler = signal.signal(signal.SIGCHLD, lambda _s, _f: None)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        self._poll.register(self._wake, select.POLLIN)
        self._poll.register(self._control.fileno(), select.POLLIN)

    # The loop

    def _next(self) -> "tuple[dict[str, Any], list[int]]":
        received = self._control.receive()
        if received is None:
            raise Quit
        return received

    def _turn(self) -> None:
        ready = {descriptor for descriptor, _ in self._poll.poll()}
        if self._control.fileno() in ready:
            self._obey(*self._next())
        for child in list(self._children.values()):
            if child.news in ready:
                self._hear(child)
        if self._wake in ready:
            os.read(self._wake, 4096)
            self._reap()

    def _obey(self, message: "dict[str, Any]", descriptors: "list[int]") -> None:
        kind = message.get("type")
        if kind == "quit":
            raise Quit
        if kind == "fork":
            self._fork(message, descriptors)
            return
        close_all(descriptors)
        if kind == "signal":
            self._signal(message)
        else:
            report.line(f"the fork server does not know the message {kind!r}")

    def _signal(self, message: "dict[str, Any]") -> None:
        number = int(message["signal"])
        for child in self._children.values():
            if child.slot == message["slot"]:
                # A child that is dead but not reaped still owns its pid: nobody else is hit.
                try:
                    if message.get("group"):
                        os.killpg(child.pid, number)
                    else:
                        os.kill(child.pid, number)
                except OSError as error:
                    report.line(f"signal {number} to worker {child.pid}: {error}")

    # Forking

    def _fork(self, message: "dict[str, Any]", descriptors: "list[int]") -> None:
        slot = int(message["slot"])
        parent = os.getpid()
        expected = self._generation.threads * self._generation.lanes
        try:
            if len(descriptors) != expected:
                raise ValueError(f"{len(descriptors)} reply sockets instead of {expected}")
            news, news_out = os.pipe2(os.O_CLOEXEC)
            # A process that the worker leaves behind may keep it open: never wait for its end.
            os.set_blocking(news, False)
            try:
                pid = os.fork()
            except OSError:
                os.close(news)
                os.close(news_out)
                raise
        except (OSError, ValueError) as error:
            close_all(descriptors)
            failed = {"type": "failed", "error": load.describe(error), "slot": slot}
            self._control.send(failed)
            return
        if pid == 0:
            os.close(news)
            self._become_worker(worker.Birth(slot, descriptors, news_out, self._app, parent))
        os.close(news_out)
        # Without this the front would not see the end of a dead worker's stream.
        close_all(descriptors)
        self._children[pid] = Child(slot, pid, news)
        self._poll.register(news, select.POLLIN)
        self._control.send({"type": "forked", "slot": slot, "pid": pid})

    def _become_worker(self, birth: worker.Birth) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, self._previous_child_handler or signal.SIG_DFL)
            self._control.close()
            os.close(self._wake)
            os.close(self._waker)
            for sibling in self._children.values():
                if sibling.news >= 0:
                    os.close(sibling.news)
            self._children.clear()
        except BaseException as error:
            report.emit("hotclub: a worker failed\n" + report.trace(error))
            os._exit(worker.BROKEN)
        worker.live(self._generation, birth)

    # News

    def _hear(self, child: Child) -> None:
        """Reads on; at the end of the pipe the message is whole and goes to the supervisor."""
        data = os.read(child.news, 65536)
        if data:
            child.heard += data
        else:
            self._pass_on(child)

    def _pass_on(self, child: Child) -> None:
        self._poll.unregister(child.news)
        os.close(child.news)
        child.news = -1
        if child.heard:
            message = json.loads(child.heard)
            message.update(slot=child.slot, pid=child.pid)
            self._control.send(message)

    def _reap(self) -> None:
        for child in list(self._children.values()):
            try:
                pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status, usage = child.pid, 0, None
            if pid == 0:
                continue
            try:
                while child.news >= 0:
                    self._hear(child)
            except BlockingIOError:
                self._pass_on(child)
            del self._children[child.pid]
            signaled = os.WIFSIGNALED(status)
            self._control.send(
                {
                    "type": "exited",
                    "slot": child.slot,
                    "pid": child.pid,
                    "code": None if signaled else os.WEXITSTATUS(status),
                    "signal": os.WTERMSIG(status) if signaled else None,
                    "core": os.WCOREDUMP(status),
                    "maxrss": usage.ru_maxrss * 1024 if usage is not None else 0,
                }
            )


def _generation(message: "dict[str, Any]", descriptors: "list[int]") -> worker.Generation:
    if message.get("type") != "load":
        raise ValueError(f"the first message is {message.get('type')!r} and not 'load'")
    if message.get("mode", "wsgi") != "wsgi":
        raise ValueError(f"this worker speaks wsgi, not {message['mode']!r}")
    if len(descriptors) != 2:
        raise ValueError(f"{len(descriptors)} descriptors with 'load' instead of 2")
    queue, scoreboard = descriptors
    worker.set_queue_tick(queue)
    board = Scoreboard(scoreboard, int(message["slots"]))
    os.close(scoreboard)
    source = load.Source(
        app=message["app"],
        chdir=message.get("chdir"),
        pythonpath=list(message.get("pythonpath") or ()),
        settings=dict(message.get("settings") or {}),
        tune=Wishes.of(message.get("tune")),
    )
    return worker.Generation(
        source=source,
        queue=queue,
        board=board,
        threads=int(message.get("threads", 1)),
        lanes=int(message.get("lanes", 1)),
        server_software=message.get("server_software") or f"hotclub/{__version__}",
    )
