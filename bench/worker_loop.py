"""Requests per second of the Python side alone: the queue, the loop, a bare app, the reply stream.

    python3 bench/worker_loop.py [--workers N] [--outstanding N] [--seconds S] [--app NAME]

Prints one line per round: the rate, and the processor time of the worker for one request (which
other work on the machine disturbs less). No front, no HTTP: use it to compare variants of the loop.
"""

import argparse
import select
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from tests.harness import HEADER, Harness

ENVIRON = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/art/2024/untitled",
    "QUERY_STRING": "page=2",
    "SERVER_NAME": "example.com",
    "SERVER_PORT": "443",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "203.0.113.7",
    "REMOTE_PORT": "50000",
    "wsgi.url_scheme": "https",
    "HTTP_HOST": "example.com",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.5",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate, br, zstd",
    "HTTP_COOKIE": "csrftoken=0123456789abcdef0123456789abcdef",
    "HTTP_X_FORWARDED_FOR": "203.0.113.7",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_REQUEST_ID": "0123456789abcdef",
}


def round_of(site: Harness, outstanding: int, seconds: float) -> float:
    """Keeps so many requests on their way for so long; answers per second."""
    environ = b"\0".join(f"{key}\0{value}".encode() for key, value in ENVIRON.items())
    message = bytearray(HEADER.pack(1, 0, 0, len(environ), 1, 0, 0) + environ)
    socks = {stream.sock.fileno(): stream.sock for stream in site.streams.values()}
    left = dict.fromkeys(socks, b"")
    poll = select.epoll()
    for fd in socks:
        poll.register(fd, select.EPOLLIN)
    queue, number, done, size = site.queue, 0, 0, 0
    began = time.perf_counter()
    end = began + seconds
    for _ in range(outstanding):
        number += 1
        struct.pack_into("<Q", message, 8, number)
        queue.send(message)
    while True:
        fresh = 0
        for fd, _ in poll.poll():
            data = left[fd] + socks[fd].recv(1 << 20)
            if not size:  # every answer is one frame of the same size
                _, flags, _, head_len, _, body_len, _ = HEADER.unpack_from(data)
                if not flags & 1:
                    raise SystemExit("the app must answer in one frame: give a Content-Length")
                size = 32 + head_len + body_len
            fresh += len(data) // size
            left[fd] = data[len(data) - len(data) % size :]
        done += fresh
        if time.perf_counter() > end:
            break
        for _ in range(fresh):
            number += 1
            struct.pack_into("<Q", message, 8, number)
            queue.send(message)
    elapsed = time.perf_counter() - began
    open_requests = number - done
    while open_requests > 0:
        for fd, _ in poll.poll():
            data = left[fd] + socks[fd].recv(1 << 20)
            open_requests -= len(data) // size
            left[fd] = data[len(data) - len(data) % size :]
    poll.close()
    return done / elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--outstanding", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--app", default="hello")
    options = parser.parse_args()
    with Harness(options.app, threads=options.threads) as site:
        site.start(workers=options.workers)
        for number in range(options.rounds):
            before, done = cpu(site), answered(site)
            rate = round_of(site, options.outstanding, options.seconds)
            each = (cpu(site) - before) / (answered(site) - done) / 1000
            print(f"round {number + 1}: {rate:8.0f} requests/s, {each:6.2f} µs each", flush=True)


def cpu(site: Harness) -> int:
    """Nanoseconds that the workers have run: what a request costs, however busy the machine is."""
    paths = [path for pid in site.pids.values() for path in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((path / "schedstat").read_text().split()[0]) for path in paths)


def answered(site: Harness) -> int:
    return sum(site.board.get(slot, "done") for slot in range(site.board.slots))


if __name__ == "__main__":
    main()
