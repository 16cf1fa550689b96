"""Queue messages that no front would send: whole frames come back, or the worker leaves."""

import os
import random
import socket
import struct
import time
import unittest
from typing import Any
from unittest import mock

from hotclub_worker import wire, wsgi
from hotclub_worker.answer import FrontGone

from tests.test_wire import scoreboard_cells, vectors

SECONDS = float(os.environ.get("HOTCLUB_FUZZ_SECONDS", "2"))


def app(environ: "dict[str, Any]", start_response: Any) -> "list[bytes]":
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read()[:100]]


def mutated(message: bytes, dice: random.Random) -> bytes:
    data = bytearray(message)
    for _ in range(dice.randrange(1, 6)):
        way = dice.randrange(4)
        at = dice.randrange(len(data) + 1)
        if way == 0 and at < len(data):
            data[at] = dice.randrange(256)
        elif way == 1:
            del data[at : at + dice.randrange(1, 40)]
        elif way == 2:
            data[at:at] = dice.randbytes(dice.randrange(1, 40))
        elif len(data) >= wire.HEADER_LEN:
            field = dice.choice([(2, "<H"), (4, "<I"), (8, "<Q"), (16, "<Q")])
            size = struct.calcsize(field[1])
            number = dice.choice([0, 1, 255, 2 ** (8 * size) - 1, dice.getrandbits(8 * size)])
            struct.pack_into(field[1], data, field[0], number)
    return bytes(data)


class Messages(unittest.TestCase):
    def served(self, message: bytes) -> bytes:
        """What comes back; the faults that end a worker are no answer."""
        queue, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours, reply = socket.socketpair()
        with queue, theirs, ours, reply:
            queue.send(message)
            queue.close()
            try:
                wsgi.serve(app, theirs, [reply] * 4, scoreboard_cells(), {}, wsgi.Strayed())
            except (wsgi.QueueLost, FrontGone, IndexError):
                # A lane that there is not: the worker's loop ends, and with it the worker.
                return b""
            reply.close()
            frames = b""
            while data := ours.recv(1 << 20):
                frames += data
            return frames

    def check(self, frames: bytes) -> None:
        first = True
        ended = not frames
        while frames:
            self.assertGreaterEqual(len(frames), wire.HEADER_LEN)
            self.assertFalse(ended, "a frame after the end")
            header = wire.HEADER.unpack_from(frames)
            kind, flags, _status, head_len, _request, body_len, _started = header
            self.assertEqual(kind == wire.HEAD, first)
            ended = bool(flags & wire.END) or kind == wire.ABORT
            frames = frames[wire.HEADER_LEN + head_len + body_len :]
            first = False
        self.assertTrue(ended, "an answer without an end")

    def test_any_message_is_answered_by_whole_frames_or_ends_the_worker(self) -> None:
        dice = random.Random(time.time_ns())
        golden = [bytes.fromhex(vector["hex"]) for vector in vectors("requests").values()]
        end = time.monotonic() + SECONDS
        with mock.patch("hotclub_worker.report.emit"):
            while time.monotonic() < end:
                message = mutated(dice.choice(golden), dice)
                if message:
                    with self.subTest(message.hex()):
                        self.check(self.served(message))


if __name__ == "__main__":
    unittest.main()
