"""Plays supervisor and front in pure Python: starts the real fork server and talks the protocol."""

import array
import json
import mmap
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

PYTHON_FOLDER = Path(__file__).resolve().parents[1]
APPS = PYTHON_FOLDER.parent / "tests" / "wsgi_apps"
HEADER = struct.Struct("<BBHIQQQ")
HEAD, BODY, FILE, ABORT = 1, 2, 3, 4
PATIENCE = 20.0


class Frame(NamedTuple):
    kind: int
    end: bool
    status: int
    request: int
    head: bytes
    body: bytes
    body_len: int
    started_at: int
    descriptor: int

    @property
    def last(self) -> bool:
        return self.end or self.kind == ABORT


class Answer(NamedTuple):
    frames: "list[Frame]"

    @property
    def status(self) -> int:
        return self.frames[0].status

    @property
    def reason(self) -> str:
        return self.frames[0].head.split(b"\0")[0].decode("latin-1")

    @property
    def headers(self) -> "list[tuple[str, str]]":
        fields = iter(self.frames[0].head.decode("latin-1").split("\0")[1:])
        return list(zip(fields, fields))

    @property
    def body(self) -> bytes:
        parts = []
        for frame in self.frames:
            if frame.kind == FILE:
                (offset,) = struct.unpack("<Q", frame.head)
                parts.append(os.pread(frame.descriptor, frame.body_len, offset))
            else:
                parts.append(frame.body)
        return b"".join(parts)

    @property
    def aborted(self) -> bool:
        return self.frames[-1].kind == ABORT

    def header(self, name: str) -> Optional[str]:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[0] if found else None


class Stream:
    """The front's end of one reply socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._bytes = bytearray()
        self._descriptors: list[int] = []

    def frame(self, patience: float = PATIENCE) -> Optional[Frame]:
        """The next frame; None at the end of the stream."""
        header = self._take(32, patience)
        if header is None:
            return None
        kind, flags, status, head_len, request, body_len, started = HEADER.unpack(header)
        head = self._take(head_len, patience) or b""
        body = b""
        if kind != FILE:
            body = self._take(body_len, patience) or b""
        descriptor = self._descriptors.pop(0) if kind == FILE else -1
        return Frame(
            kind, bool(flags & 1), status, request, head, body, body_len, started, descriptor
        )

    def has_more(self) -> bool:
        """Whether something was received already that select cannot see any more."""
        return bool(self._bytes)

    def answer(self, patience: float = PATIENCE) -> Answer:
        frames: list[Frame] = []
        while True:
            frame = self.frame(patience)
            if frame is None:
                raise EOFError(f"the worker went away; frames so far: {frames}")
            frames.append(frame)
            if frame.last:
                return Answer(frames)

    def _take(self, count: int, patience: float) -> Optional[bytes]:
        while len(self._bytes) < count:
            if not select.select([self.sock], [], [], patience)[0]:
                raise TimeoutError(f"nothing on a reply socket for {patience} s")
            try:
                data, ancillary, _, _ = self.sock.recvmsg(1 << 20, 256, socket.MSG_CMSG_CLOEXEC)
            except ConnectionResetError:  # the worker died with something unread
                return None
            for _level, _kind, rights in ancillary:
                numbers = array.array("i")
                numbers.frombytes(rights)
                self._descriptors.extend(numbers)
            if not data:
                return None
            self._bytes += data
        taken = bytes(self._bytes[:count])
        del self._bytes[:count]
        return taken

    def close(self) -> None:
        self.sock.close()
        for descriptor in self._descriptors:
            os.close(descriptor)


class Board:
    """The reader's side of the scoreboard."""

    FIELDS = ("pid", "state", "request", "started", "done", "cancel", "thread", "reserved")

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.descriptor = os.memfd_create("scoreboard")
        size = 64 + 64 * slots
        os.truncate(self.descriptor, size)
        self._map = mmap.mmap(self.descriptor, size)
        self._map[:16] = b"HOTCLUB1" + struct.pack("<Q", slots)

    def get(self, slot: int, field: str) -> int:
        at = 64 + 64 * slot + 8 * self.FIELDS.index(field)
        (value,) = struct.unpack_from("<Q", self._map, at)
        return int(value)

    def cancel(self, slot: int, request: int) -> None:
        struct.pack_into("<Q", self._map, 64 + 64 * slot + 40, request)

    def until(self, slot: int, field: str, value: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.get(slot, field) != value:
            if time.monotonic() > deadline:
                raise TimeoutError(f"slot {slot}: {field} is {self.get(slot, field)}, not {value}")
            os.sched_yield()

    def close(self) -> None:
        self._map.close()
        os.close(self.descriptor)


class Harness:
    """One generation. A context manager; leaves no process and no descriptor behind."""

    def __init__(
        self,
        app: str,
        *,
        threads: int = 1,
        lanes: int = 1,
        slots: int = 8,
        preload: bool = True,
        chdir: Optional[Path] = APPS,
        pythonpath: Sequence[str] = (),
        settings: Optional["dict[str, Any]"] = None,
        env: Optional["dict[str, str]"] = None,
        python: str = sys.executable,
        extra: Optional["dict[str, Any]"] = None,
    ) -> None:
        self.threads, self.lanes = threads, lanes
        self.messages: list[dict[str, Any]] = []
        self.streams: dict[tuple[int, int], Stream] = {}
        self.pids: dict[int, int] = {}
        self._request = 0
        self.log_file = tempfile.TemporaryFile()
        self.board = Board(slots)
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.queue, self._workers_queue = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen(
            [python, "-u", str(PYTHON_FOLDER / "hotclub_worker")],
            stdin=theirs.fileno(),
            stdout=self.log_file,
            stderr=self.log_file,
            env={**os.environ, "HOTCLUB_CONTROL": "fd:0", **(env or {})},
        )
        theirs.close()
        self._load = {
            "type": "load",
            "app": app,
            "chdir": str(chdir) if chdir else None,
            "pythonpath": list(pythonpath),
            "threads": threads,
            "lanes": lanes,
            "slots": slots,
            "preload": preload,
            "settings": settings or {},
            "mode": "wsgi",
            **(extra or {}),
        }

    def __enter__(self) -> "Harness":
        return self

    def __exit__(self, *_: object) -> None:
        self.queue.close()
        self.control.close()
        self._workers_queue.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in self.pids.values():
            _end(pid)
        for stream in self.streams.values():
            stream.close()
        self.board.close()
        self.log_file.close()

    def log(self) -> str:
        self.log_file.seek(0)
        return self.log_file.read().decode("utf-8", "replace")

    # Control

    def start(self, workers: int = 1) -> "dict[str, Any]":
        """Handshake, load, and that many workers; returns `loaded`."""
        self.expect("hello")
        loaded = self.load()
        if loaded["type"] != "loaded":
            raise AssertionError(f"the app was not loaded: {loaded}")
        for number in range(workers):
            self.fork(number * self.threads)
        return loaded

    def load(self) -> "dict[str, Any]":
        self.send(self._load, [self._workers_queue.fileno(), self.board.descriptor])
        self._workers_queue.close()
        return self.expect("loaded", "failed")

    def fork(self, slot: int = 0, ready: bool = True) -> int:
        """A worker; waits until it is ready, and returns its pid."""
        theirs = []
        for thread in range(self.threads):
            for lane in range(self.lanes):
                ours, other = socket.socketpair()
                old = self.streams.get((slot + thread, lane))
                if old is not None:
                    old.close()
                self.streams[slot + thread, lane] = Stream(ours)
                theirs.append(other)
        self.send({"type": "fork", "slot": slot}, [sock.fileno() for sock in theirs])
        for sock in theirs:
            sock.close()
        pid = int(self.expect("forked")["pid"])
        self.pids[slot] = pid
        if ready:
            self.expect("ready")
        return pid

    def send(self, message: "dict[str, Any]", descriptors: Iterable[int] = ()) -> None:
        rights = array.array("i", descriptors)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if rights else []
        self.control.sendmsg([json.dumps(message).encode()], ancillary)

    def expect(self, *kinds: str, patience: float = PATIENCE) -> "dict[str, Any]":
        """The next message of one of these kinds; others are kept for later calls."""
        for message in self.messages:
            if message["type"] in kinds:
                self.messages.remove(message)
                return message
        while True:
            if not select.select([self.control], [], [], patience)[0]:
                raise TimeoutError(f"no {kinds} from the fork server; log:\n{self.log()}")
            data = self.control.recv(65536)
            if not data:
                raise EOFError(f"the fork server went away; log:\n{self.log()}")
            message = json.loads(data)
            if message["type"] in kinds:
                return dict(message)
            self.messages.append(message)

    def signal(self, slot: int, number: int, **more: Any) -> None:
        self.send({"type": "signal", "slot": slot, "signal": int(number), **more})

    # Requests

    def put(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        body: bytes = b"",
        lane: int = 0,
        by_descriptor: bool = False,
        environ: Optional["dict[str, str]"] = None,
    ) -> int:
        """Puts a request into the queue; returns its id."""
        self._request += 1
        path, _, query = path.partition("?")
        fields = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path.encode().decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "example.com",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "http",
            "HTTP_HOST": "example.com",
        }
        if body:
            fields["CONTENT_LENGTH"] = str(len(body))
        fields.update(environ or {})
        send_request(self.queue, self._request, fields, body, lane, by_descriptor)
        return self._request

    def marker(self, lane: int = 0) -> int:
        self._request += 1
        self.queue.send(HEADER.pack(2, 0, lane, 0, self._request, 0, time.monotonic_ns()))
        return self._request

    def get(self, path: str = "/", slot: int = 0, **more: Any) -> Answer:
        """One request, answered by the only worker."""
        request = self.put(path, **more)
        answer = self.streams[slot, more.get("lane", 0)].answer()
        if any(frame.request != request for frame in answer.frames):
            raise AssertionError(f"an answer to another request than {request}: {answer}")
        return answer


def send_request(
    queue: socket.socket,
    request: int,
    environ: "dict[str, str]",
    body: bytes = b"",
    lane: int = 0,
    by_descriptor: bool = False,
) -> None:
    pairs = b"\0".join(f"{k}\0{v}".encode("latin-1") for k, v in environ.items())
    header = HEADER.pack(
        1, int(by_descriptor), lane, len(pairs), request, len(body), time.monotonic_ns()
    )
    if not by_descriptor:
        queue.send(header + pairs + body)
        return
    with tempfile.TemporaryFile() as file:
        file.write(body)
        file.seek(0)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()]))]
        queue.sendmsg([header + pairs], rights)


def _end(pid: int) -> None:
    """Waits for a worker to leave; it is not our child, so /proc is asked."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"the worker {pid} did not leave")
        time.sleep(0.002)
