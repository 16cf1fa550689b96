"""The golden vectors that Rust and Python share: read and written by the Python side."""

import array
import json
import socket
import unittest
from pathlib import Path
from typing import Any

from hotclub_worker import head, wire, wsgi
from hotclub_worker.answer import Answer

GOLDEN = Path(__file__).resolve().parents[2] / "crates" / "wire" / "golden" / "frames.json"


def vectors(kind: str) -> "dict[str, dict[str, Any]]":
    return {vector["name"]: vector for vector in json.loads(GOLDEN.read_text())[kind]}


def scoreboard_cells() -> "memoryview[int]":
    return memoryview(bytearray(64)).cast("Q")


class Requests(unittest.TestCase):
    def served(self, vector: "dict[str, Any]") -> "tuple[dict[str, Any], bytes, bytes]":
        """Lets the loop read the message; returns the app's environ, its body and the frames."""
        queue, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours, reply = socket.socketpair()
        seen: dict[str, Any] = {}

        def app(environ: "dict[str, Any]", start_response: Any) -> "list[bytes]":
            seen.update(environ, body=environ["wsgi.input"].read())
            start_response("204 No Content", [])
            return []

        rights = []
        with open(__file__, "rb") as file:
            if vector["body_by_descriptor"]:
                numbers = array.array("i", [file.fileno()])
                rights.append((socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers))
            queue.sendmsg([bytes.fromhex(vector["hex"])], rights)
        queue.close()
        replies = [reply] * 4
        wsgi.serve(app, theirs, replies, scoreboard_cells(), {}, wsgi.Strayed())
        frames = ours.recv(65536)
        for sock in (theirs, ours, reply):
            sock.close()
        body = seen.pop("body", b"")
        seen.pop("wsgi.input", None)
        return seen, body, frames

    def test_requests_of_the_golden_vectors_reach_the_app_as_they_are_described(self) -> None:
        for name, vector in vectors("requests").items():
            with self.subTest(name):
                environ, body, frames = self.served(vector)
                self.assertEqual(environ, dict(vector["environ"]))
                if vector["body_by_descriptor"]:
                    self.assertEqual(body, Path(__file__).read_bytes())
                else:
                    self.assertEqual(body, bytes.fromhex(vector["body"]))
                kind, flags, status, _, request, _, started = wire.HEADER.unpack_from(frames)
                expected = 0 if vector["kind"] == "marker" else 204
                self.assertEqual((kind, flags, status), (wire.HEAD, wire.END, expected))
                self.assertEqual(request, vector["id"])
                self.assertGreater(started, 0)


class Frames(unittest.TestCase):
    def setUp(self) -> None:
        self.ours, self.reply = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.reply.close)

    def answer(self, vector: "dict[str, Any]", method: str = "GET") -> Answer:
        environ = {"REQUEST_METHOD": method}
        started = vector["started_at"]
        return Answer(self.reply, vector["id"], started, environ, scoreboard_cells())

    def began(self, vector: "dict[str, Any]") -> Answer:
        """An answer whose head was sent already."""
        answer = self.answer(vector)
        answer.start_response("200 OK", [])
        answer.part(b"x")
        self.ours.recv(65536)
        return answer

    def check(self, vector: "dict[str, Any]") -> None:
        self.assertEqual(self.ours.recv(65536).hex(), vector["hex"])

    def test_a_whole_answer_is_one_frame(self) -> None:
        vector = vectors("frames")["a whole answer"]
        answer = self.answer(vector)
        answer.start_response(
            f"{vector['status']} {vector['reason']}", map(tuple, vector["fields"])
        )
        answer.whole([bytes.fromhex(vector["body"])])
        answer.finish()
        self.check(vector)

    def test_a_head_without_fields(self) -> None:
        vector = vectors("frames")["a head without fields"]
        answer = self.answer(vector)
        answer.start_response(f"{vector['status']} {vector['reason']}", [])
        answer._frame(wire.HEAD, b"", False)
        self.check(vector)

    def test_a_part_and_the_end_of_a_body(self) -> None:
        part = vectors("frames")["a part of a body"]
        answer = self.began(part)
        answer.part(bytes.fromhex(part["body"]))
        self.check(part)
        answer.finish()
        self.check(vectors("frames")["the end of a body"])

    def test_an_abort(self) -> None:
        vector = vectors("frames")["an abort"]
        self.began(vector).give_up()
        self.check(vector)

    def test_a_markers_answer(self) -> None:
        vector = vectors("frames")["a marker's answer"]
        wsgi._answer_marker(self.reply, vector["id"], vector["started_at"])
        self.check(vector)

    def test_the_layout_of_a_file_frame(self) -> None:
        vector = vectors("frames")["a file"]
        frame = wire.HEADER.pack(
            wire.FILE, wire.END, 0, wire.FILE_OFFSET.size, vector["id"], vector["body_len"], 0
        ) + wire.FILE_OFFSET.pack(vector["offset"])
        self.assertEqual(frame.hex(), vector["hex"])


class Heads(unittest.TestCase):
    def test_made_up_names_do_not_fill_the_tables(self) -> None:
        for number in range(5000):
            head.encode("OK", [(f"X-Made-{number}", "a")])
            head.status_line(f"200 Made {number}")
        self.assertLessEqual(len(head._names), 1000)
        self.assertLessEqual(len(head.statuses), 1000)


if __name__ == "__main__":
    unittest.main()
