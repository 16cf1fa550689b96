"""PEP 3333, one small app of tests/wsgi_apps per behaviour."""

import gzip
import json
import os
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

from tests.harness import APPS, BODY, FILE, HEAD, Answer, Harness

TRACEBACK = "Traceback (most recent call last)"


class Case(unittest.TestCase):
    """Starts one worker of an app; each test reads like its behaviour."""

    def serve(self, app: str, **more: Any) -> Harness:
        harness = Harness(app, **more)
        self.addCleanup(harness.__exit__)
        harness.start()
        return harness

    def assert_500(self, answer: Answer) -> None:
        self.assertEqual((answer.status, answer.reason), (500, "Internal Server Error"))
        self.assertEqual(answer.body, b"Internal Server Error")
        self.assertEqual(len(answer.frames), 1)

    def assert_still_serves(self, site: Harness, path: str = "/") -> None:
        self.assertEqual(site.get(path).status, 200)


class Conforming(Case):
    """Apps without fault, alone and behind wsgiref.validate."""

    def both(self, app: str, path: str = "/", **more: Any) -> "list[Answer]":
        plain = self.serve(app)
        checked = self.serve(f"validated:wrap({app!r})")
        answers = [plain.get(path, **more), checked.get(path, **more)]
        self.assertNotIn(TRACEBACK, plain.log())
        self.assertNotIn(TRACEBACK, checked.log())
        return answers

    def test_a_list_with_its_length_is_one_frame(self) -> None:
        for answer in self.both("hello"):
            self.assertEqual((answer.status, answer.reason), (200, "OK"))
            self.assertEqual(answer.body, b"hello\n")
            self.assertEqual(answer.header("content-length"), "6")
        self.assertEqual(len(self.both("hello")[0].frames), 1)

    def test_an_empty_list_is_an_empty_answer(self) -> None:
        for answer in self.both("empty_list"):
            self.assertEqual((answer.status, answer.body, len(answer.frames)), (200, b"", 1))

    def test_a_list_without_length_is_joined_into_one_frame(self) -> None:
        plain, checked = self.both("list_without_length")
        self.assertEqual(plain.body, b"one, two")
        self.assertEqual(checked.body, b"one, two")
        self.assertEqual(len(plain.frames), 1)

    def test_write_sends_before_it_returns(self) -> None:
        for answer in self.both("write_callable"):
            self.assertEqual(answer.body, b"written, again, returned")
            self.assertEqual([frame.kind for frame in answer.frames][:2], [HEAD, BODY])

    def test_write_can_fill_the_promised_length(self) -> None:
        for answer in self.both("write_with_length"):
            self.assertEqual((answer.body, len(answer.frames)), (b"written", 1))

    def test_exc_info_replaces_a_head_that_was_not_sent(self) -> None:
        for answer in self.both("exc_info_before_head"):
            self.assertEqual((answer.status, answer.reason, answer.body), (503, "Sorry", b"sorry"))
            self.assertIsNone(answer.header("X-First"))

    def test_start_response_may_come_with_the_first_part(self) -> None:
        for answer in self.both("start_late"):
            self.assertEqual((answer.status, answer.body), (200, b"late"))

    def test_a_generator_is_streamed_without_length(self) -> None:
        for answer in self.both("hello_stream"):
            self.assertEqual(answer.body, b"one two three")
            self.assertEqual([f.body for f in answer.frames], [b"one ", b"two ", b"three", b""])

    def test_a_file_goes_by_descriptor(self) -> None:
        plain, checked = self.both("file_whole")
        expected = (APPS / "file_whole.py").read_bytes()
        self.assertEqual([frame.kind for frame in plain.frames], [HEAD, FILE])
        self.assertEqual(plain.body, expected)
        self.assertEqual(checked.body, expected)

    def test_an_iterables_close_is_called_once(self) -> None:
        for app in ("close_counted", "validated:wrap('close_counted')"):
            site = self.serve(app)
            self.assertEqual(site.get("/whole").body, b"ab")
            self.assertEqual(site.get("/empty").body, b"")
            self.assertEqual(site.get("/count").body, b"2")

    def test_the_environ_is_complete(self) -> None:
        for answer in self.both("environ_dump", "/caf\u00e9?a=b", environ={"HTTP_X_A": "\xe4"}):
            environ = json.loads(answer.body)
            self.assertEqual(environ["PATH_INFO"], "/caf\xc3\xa9")
            self.assertEqual(environ["QUERY_STRING"], "a=b")
            self.assertEqual(environ["HTTP_X_A"], "\xe4")
            self.assertEqual(environ["wsgi.version"], [1, 0])
            self.assertEqual(environ["wsgi.url_scheme"], "http")
            self.assertIs(environ["wsgi.multithread"], False)
            self.assertIs(environ["wsgi.multiprocess"], True)
            self.assertIs(environ["wsgi.run_once"], False)
            self.assertIs(environ["wsgi.input_terminated"], True)
            self.assertTrue(environ["SERVER_SOFTWARE"].startswith("hotclub/"))

    def test_wsgi_errors_reaches_standard_error(self) -> None:
        self.both("errors_stream")
        site = self.serve("errors_stream")
        site.get()
        self.assertIn("first line\nsecond line ", site.log())


class RequestBody(Case):
    BODY = b"first\nsecond\nthird"

    def test_every_way_of_reading_gives_what_a_file_would_give(self) -> None:
        expected = {
            "read": self.BODY,
            "read-size": [b"firs", b"t\nse", b"cond\nthird"],
            "read-beyond": [self.BODY, b"", b""],
            "readline": [b"first\n", b"second\n", b"third"],
            "readline-size": [b"fi", b"rst\n"],
            "readlines": [b"first\n", b"second\n", b"third"],
            "readlines-hint": [b"first\n"],
            "iter": [b"first\n", b"second\n", b"third"],
            "unread": None,
        }
        for app in ("input_ways", "validated:wrap('input_ways')"):
            site = self.serve(app)
            for way, value in expected.items():
                for by_descriptor in (False, True):
                    with self.subTest(app=app, way=way, by_descriptor=by_descriptor):
                        answer = site.get(
                            "/" + way, method="POST", body=self.BODY, by_descriptor=by_descriptor
                        )
                        self.assertEqual(answer.body.decode(), repr(value))

    def test_the_body_can_be_read_twice(self) -> None:
        site = self.serve("input_seek")
        self.assertEqual(site.get(method="POST", body=b"abc").body, b"3 1 c")
        large = b"x" * 3_000_000 + b"y"
        answer = site.get(method="POST", body=large, by_descriptor=True)
        self.assertEqual(answer.body, b"3000001 1 y")

    def test_an_app_may_close_its_body(self) -> None:
        site = self.serve("input_closed")
        for by_descriptor in (False, True):
            answer = site.get(method="POST", body=b"abc", by_descriptor=by_descriptor)
            self.assertEqual(answer.body, b"closed")

    def test_bodies_leave_no_descriptor_open(self) -> None:
        site = self.serve("descriptors")
        before = site.get().body
        for _ in range(5):
            site.get(method="POST", body=b"abc", by_descriptor=True)
        self.assertEqual(site.get().body, before)


class WrongApps(Case):
    """What an app may not do, and what the client and the log then see."""

    def test_start_response_twice_is_a_500(self) -> None:
        self.assert_500(self.serve("start_twice").get())

    def test_a_body_without_start_response_is_a_500(self) -> None:
        for app in ("start_never", "start_never_empty"):
            site = self.serve(app)
            self.assert_500(site.get())
            self.assertIn("start_response", site.log())

    def test_a_forgotten_return_is_a_500(self) -> None:
        self.assert_500(self.serve("returns_none").get())

    def test_an_empty_part_may_come_before_start_response(self) -> None:
        self.assertEqual(self.serve("start_after_empty_part").get().body, b"later still")

    def test_exc_info_after_the_head_raises_again_and_cuts_the_answer(self) -> None:
        site = self.serve("exc_info_after_head")
        answer = site.get()
        self.assertEqual((answer.status, answer.body, answer.aborted), (200, b"begun", True))
        self.assertIn("ValueError: raised again", site.log())

    def test_an_exception_before_the_head_is_a_500_with_a_traceback_in_the_log(self) -> None:
        site = self.serve("app_raises")
        self.assert_500(site.get("/some/path?a=b", environ={"HTTP_X_REQUEST_ID": "r-17"}))
        self.assert_500(site.get("/after"))
        log = site.log()
        self.assertIn("hotclub: the app failed (GET /some/path?a=b, request r-17 #1)", log)
        self.assertIn(TRACEBACK, log)
        self.assertIn("ValueError: app_raises on purpose", log)
        self.assertNotIn("hotclub_worker", log)

    def test_control_characters_of_a_request_are_escaped_in_the_log(self) -> None:
        site = self.serve("app_raises")
        site.get("/", environ={"PATH_INFO": "/a\nhotclub: forged\x1b[0m"})
        self.assertIn(r"GET /a\nhotclub: forged\x1b[0m", site.log())

    def test_an_iterator_that_raises_is_a_500_or_cuts_the_answer(self) -> None:
        site = self.serve("iterator_raises")
        self.assert_500(site.get("/first"))
        answer = site.get("/second")
        self.assertEqual((answer.status, answer.body, answer.aborted), (200, b"begun", True))

    def test_close_is_called_once_however_the_iteration_ends(self) -> None:
        site = self.serve("close_counted")
        self.assert_500(site.get("/first"))
        self.assertTrue(site.get("/second").aborted)
        self.assertEqual(site.get("/count").body, b"2")

    def test_a_close_that_raises_costs_nothing_but_a_log_entry(self) -> None:
        site = self.serve("close_raises")
        for _ in range(2):
            answer = site.get()
            self.assertEqual((answer.body, answer.aborted), (b"complete", False))
        site.board.until(0, "done", 2)
        self.assertIn("the app's close() raised", site.log())

    def test_anything_raised_is_a_500_and_the_worker_goes_on(self) -> None:
        site = self.serve("raises_by_path")
        names = [
            "SystemExit",
            "KeyboardInterrupt",
            "GeneratorExit",
            "BaseException",
            "StopIteration",
        ]
        for name in [*names, "RecursionError", "MemoryError", "BrokenPipeError", "unprintable"]:
            with self.subTest(name):
                self.assert_500(site.get("/" + name))
                self.assertIn(name.replace("unprintable", "Unprintable"), site.log())
                self.assertEqual(site.get("/ok").body, b"ok")

    def test_str_where_bytes_belong_is_an_error(self) -> None:
        site = self.serve("str_body")
        self.assert_500(site.get("/list"))
        self.assertTrue(site.get("/parts").aborted)
        self.assert_500(self.serve("write_str").get())

    def test_kept_callables_of_an_old_request_reach_nobody(self) -> None:
        site = self.serve("keeps_start_response")
        for _ in range(4):
            answer = site.get()
            self.assertEqual((answer.body, answer.header("X-Old")), (b"new", None))


class Lengths(Case):
    def test_a_right_length_in_one_part_is_one_frame(self) -> None:
        answer = self.serve("wrong_length").get("/6/1/6/iterator")
        self.assertEqual(len(answer.frames), 1)

    def test_a_right_length_in_many_parts_ends_with_the_last_of_them(self) -> None:
        answer = self.serve("wrong_length").get("/6/3/2/iterator")
        self.assertEqual([f.body_len for f in answer.frames], [2, 2, 2])

    def test_a_body_that_is_too_long_is_cut_and_logged(self) -> None:
        site = self.serve("wrong_length")
        for path in ("/5/1/9/list", "/5/3/3/list", "/5/1/9/iterator", "/5/3/3/iterator"):
            with self.subTest(path):
                answer = site.get(path)
                self.assertEqual((answer.body, answer.aborted), (b"xxxxx", False))
        self.assertEqual(site.log().count("more bytes than its Content-Length of 5"), 4)
        self.assertEqual(site.get("/0/1/3/iterator").body, b"")

    def test_a_body_that_is_too_short_is_a_500_while_nothing_was_sent(self) -> None:
        site = self.serve("wrong_length")
        for path in ("/9/1/5/list", "/9/2/1/list", "/9/0/0/list", "/9/0/0/iterator"):
            with self.subTest(path):
                self.assert_500(site.get(path))
        self.assertIn("gave 5 bytes and promised 9", site.log())

    def test_a_body_that_is_too_short_is_cut_off_once_it_began(self) -> None:
        answer = self.serve("wrong_length").get("/9/2/2/iterator")
        self.assertEqual((answer.body, answer.aborted), (b"xxxx", True))

    def test_a_large_body_comes_in_frames_of_half_a_megabyte(self) -> None:
        answer = self.serve("large_list").get()
        self.assertEqual(answer.body, bytes(range(250)) * 20000)
        self.assertEqual(len(answer.frames), 10)
        self.assertTrue(all(f.body_len <= 512 * 1024 for f in answer.frames))


class WithoutBody(Case):
    def test_head_gets_the_head_and_no_body(self) -> None:
        site = self.serve("body_for_head")
        for path in ("/", "/parts"):
            answer = site.get(path, method="HEAD")
            self.assertEqual((answer.status, answer.body, len(answer.frames)), (200, b"", 1))
            self.assertEqual(answer.header("Content-Length"), "12")
        self.assertEqual(site.get("/parts").body, b"for GET only")

    def test_head_of_an_app_that_fails_has_no_body_either(self) -> None:
        answer = self.serve("app_raises").get(method="HEAD")
        self.assertEqual((answer.status, answer.body), (500, b""))

    def test_head_of_a_file_has_no_body(self) -> None:
        answer = self.serve("file_whole").get(method="HEAD")
        self.assertEqual((answer.status, answer.body, len(answer.frames)), (200, b"", 1))

    def test_204_and_304_have_no_body(self) -> None:
        site = self.serve("without_body")
        for status in (204, 304):
            answer = site.get(f"/{status}")
            self.assertEqual((answer.status, answer.body, len(answer.frames)), (status, b"", 1))
        self.assertEqual(site.get("/205").body, b"must not be sent")

    def test_close_is_called_for_head_too(self) -> None:
        site = self.serve("close_counted")
        self.assertEqual(site.get("/endless", method="HEAD").body, b"")
        self.assertEqual(site.get("/whole", method="HEAD").body, b"")
        self.assertEqual(site.get("/count").body, b"2")


class Heads(Case):
    def test_a_head_that_cannot_be_sent_is_a_500(self) -> None:
        site = self.serve("odd_heads")
        names = (APPS / "odd_heads.py").read_text().split("HEADS = {")[1].split("\n}")[0]
        paths = [line.split('"')[1] for line in names.splitlines() if line.startswith('    "')]
        self.assertGreater(len(paths), 25)
        for path in paths:
            with self.subTest(path):
                self.assert_500(site.get("/" + path))

    def test_unusual_heads_that_are_right_are_sent(self) -> None:
        site = self.serve("unusual_heads")
        answer = site.get("/latin1")
        self.assertEqual(answer.reason, "S\xfc\xdf")
        self.assertEqual(
            answer.headers, [("X-Name", "caf\xe9"), ("X-Tab", "a\tb"), ("X-Empty", "")]
        )
        answer = site.get("/twice")
        self.assertEqual(answer.headers, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        self.assertEqual(site.get("/no-reason").status, 299)
        self.assertEqual((site.get("/bare").status, site.get("/bare").reason), (200, ""))
        self.assertEqual(site.get("/same-length-twice").headers, [("Content-Length", "4")])

    def test_hop_by_hop_headers_are_left_out_with_one_warning_each(self) -> None:
        site = self.serve("unusual_heads")
        for _ in range(3):
            self.assertEqual(site.get("/hop-by-hop").headers, [("X-Kept", "yes")])
        self.assertEqual(site.log().count("hop-by-hop"), 2)


class Files(Case):
    TEXT = b"0123456789" * 10

    def test_a_file_is_sent_from_where_it_stands(self) -> None:
        site = self.serve("file_ways")
        for way, expected in {
            "plain": self.TEXT,
            "moved": b"56789",
            "unbuffered": b"0123456789",
            "named": b"0123456789",
        }.items():
            with self.subTest(way):
                answer = site.get("/" + way)
                self.assertEqual([frame.kind for frame in answer.frames], [HEAD, FILE])
                self.assertTrue(answer.frames[-1].end)
                self.assertEqual(answer.body, expected)

    def test_what_is_not_simply_a_file_is_iterated(self) -> None:
        site = self.serve("file_ways")
        for way in ("zipped", "memory"):
            answer = site.get("/" + way)
            self.assertNotIn(FILE, [frame.kind for frame in answer.frames])
            self.assertEqual(answer.body, self.TEXT)
        self.assertEqual(gzip.decompress(gzip.compress(self.TEXT)), self.TEXT)
        self.assertEqual(site.get("/empty").body, b"")

    def test_a_file_is_cut_to_its_content_length(self) -> None:
        site = self.serve("file_ways")
        self.assertEqual(site.get("/plain/7").body, b"0123456")
        self.assertEqual(site.get("/moved/5").body, b"56789")
        self.assertEqual(site.get("/plain/0").body, b"")
        self.assert_500(site.get("/moved/6"))

    def test_a_file_may_follow_what_was_written(self) -> None:
        site = self.serve("file_ways")
        self.assertEqual(site.get("/moved?write").body, b"written56789")
        self.assertEqual(site.get("/moved/12?write").body, b"written56789")
        answer = site.get("/moved/13?write")
        self.assertEqual((answer.body, answer.aborted), (b"written56789", True))

    def test_a_wrapped_file_wrapper_is_iterated(self) -> None:
        answer = self.serve("file_rewrapped").get()
        self.assertEqual(answer.body, (APPS / "file_rewrapped.py").read_bytes().upper())

    def test_files_leave_no_descriptor_open(self) -> None:
        site = self.serve("file_ways")
        folder = Path(f"/proc/{site.pids[0]}/fd")
        before = len(list(folder.iterdir()))
        for number in range(10):
            for frame in site.get("/plain").frames:
                if frame.descriptor >= 0:
                    os.close(frame.descriptor)
            site.board.until(0, "done", number + 1)
        self.assertEqual(len(list(folder.iterdir())), before)


class Streaming(Case):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.gate = os.path.join(folder.name, "gate")
        os.mkfifo(self.gate)

    def test_a_part_is_never_held_back(self) -> None:
        site = self.serve("stream")
        request = site.put(f"/?{self.gate}")
        first = site.streams[0, 0].frame()
        assert first is not None
        self.assertEqual((first.kind, first.body, first.request), (HEAD, b"first", request))
        with open(self.gate, "wb"):
            pass
        rest = site.streams[0, 0].answer()
        self.assertEqual(rest.body, b"second")

    def test_a_client_that_left_stops_the_iteration_and_closes_the_iterable(self) -> None:
        site = self.serve("close_counted")
        request = site.put("/endless")
        for _ in range(3):
            site.streams[0, 0].frame()
        site.board.cancel(0, request)
        self.assertTrue(site.streams[0, 0].answer().aborted)
        self.assertEqual(site.get("/count").body, b"1")
        self.assertNotIn(TRACEBACK, site.log())

    def test_a_large_list_is_cut_short_without_blaming_the_app(self) -> None:
        site = self.serve("large_list")
        site.board.cancel(0, site.put())
        answer = site.streams[0, 0].answer()
        self.assertTrue(answer.aborted)
        self.assertLess(len(answer.body), 5_000_000)
        self.assertEqual(site.log(), "")

    def test_another_requests_cancellation_does_not_matter(self) -> None:
        site = self.serve("hello_stream")
        site.board.cancel(0, 999)
        self.assertEqual(site.get().body, b"one two three")

    def test_a_front_that_closes_the_reply_socket_ends_the_worker_after_close(self) -> None:
        site = self.serve("close_counted")
        site.put("/endless")
        site.streams[0, 0].frame()
        site.streams[0, 0].sock.close()
        self.assertEqual(site.expect("exited")["code"], 4)


class Claims(Case):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.gate = os.path.join(folder.name, "gate")
        os.mkfifo(self.gate)

    def test_the_scoreboard_names_the_request_in_hand(self) -> None:
        site = self.serve("gate")
        board = site.board
        self.assertEqual(board.get(0, "pid"), site.pids[0])
        self.assertEqual(board.get(0, "state"), 2)
        self.assertEqual(board.get(0, "thread"), site.pids[0])
        self.assertEqual(board.get(0, "request"), 0)
        before = time.monotonic_ns()
        request = site.put(f"/?{self.gate}")
        board.until(0, "request", request)
        self.assertGreaterEqual(board.get(0, "started"), before)
        with open(self.gate, "wb"):
            pass
        answer = site.streams[0, 0].answer()
        self.assertEqual(answer.frames[0].started_at, board.get(0, "started"))
        board.until(0, "done", 1)
        board.until(0, "request", 0)

    def test_a_marker_is_answered_at_once_and_not_counted(self) -> None:
        site = self.serve("hello")
        marker = site.marker()
        answer = site.streams[0, 0].answer()
        self.assertEqual(answer.frames[0][:4], (HEAD, True, 0, marker))
        self.assertEqual(site.board.get(0, "done"), 0)

    def test_an_answer_takes_the_lane_of_its_request(self) -> None:
        site = self.serve("hello", lanes=3)
        for lane in (2, 0, 1):
            self.assertEqual(site.get(lane=lane).body, b"hello\n")


if __name__ == "__main__":
    unittest.main()
