"""Instructions of the worker's loop for one request, by callgrind: the same on a busy machine.

    python3 bench/worker_instructions.py [--app NAME]

The loop runs twice, for a few and for many requests; the difference is what a request costs,
without what starting Python costs. Needs valgrind. `--keep FILE` leaves callgrind's output for
callgrind_annotate.
"""

import argparse
import importlib
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "bench"), str(ROOT / "bench" / "apps")]

FEW, MANY = 200, 1200


def inner(app_name: str, count: int) -> None:
    """Serves so many requests in this process; a forked child plays the front."""
    from hotclub_worker import wsgi
    from worker_loop import ENVIRON, HEADER

    environ = b"\0".join(f"{key}\0{value}".encode() for key, value in ENVIRON.items())
    front, queue = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    answers, reply = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    app = importlib.import_module(app_name).app
    if os.fork() == 0:
        queue.close()
        reply.close()
        for number in range(1, count + 1):
            front.send(HEADER.pack(1, 0, 0, len(environ), number, 0, 0) + environ)
            answers.recv(65536)
        os._exit(0)
    front.close()
    answers.close()
    cells = memoryview(bytearray(64)).cast("Q")
    base = wsgi.base_environ("hotclub", False)
    wsgi.serve(app, queue, [reply], cells, base, wsgi.Strayed())


def instructions(app: str, count: int, output: Path) -> int:
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}.%p"]
    command += [sys.executable, __file__, "--inner", str(count), "--app", app]
    env = {**os.environ, "PYTHONHASHSEED": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=env) as run:
        assert run.stderr is not None
        text = run.stderr.read().decode()
    if run.returncode:
        raise SystemExit(text)
    lines = Path(f"{output}.{run.pid}").read_text().splitlines()
    total = next(line for line in lines if line.startswith(("summary:", "totals:")))
    return int(total.split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--app", default="hello")
    parser.add_argument("--inner", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--keep", metavar="FILE")
    options = parser.parse_args()
    if options.inner:
        inner(options.app, options.inner)
        return
    with tempfile.TemporaryDirectory() as folder:
        output = Path(options.keep) if options.keep else Path(folder) / "callgrind"
        few, many = (instructions(options.app, count, output) for count in (FEW, MANY))
    print(f"{(many - few) / (MANY - FEW):.0f} instructions a request ({options.app})")


if __name__ == "__main__":
    main()
