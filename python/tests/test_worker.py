"""Workers' lives: forking, leaving, dying, and apps that do what apps should not."""

import json
import os
import select
import signal
import tempfile
import threading
import time
import unittest
from pathlib import Path
from typing import Any, Optional

from tests.harness import APPS, Harness
from tests.test_wsgi import Case


class Forking(Case):
    def test_a_fork_takes_a_few_milliseconds(self) -> None:
        site = self.serve("hello")
        times = []
        for number in range(1, 6):
            began = time.perf_counter()
            site.fork(number)
            times.append(time.perf_counter() - began)
        # The bound is generous, for a busy machine; the aim is well under 10 ms.
        self.assertLess(min(times), 0.05)

    def test_workers_share_nothing_random_and_start_as_documented(self) -> None:
        site = Harness("process_facts")
        self.addCleanup(site.__exit__)
        site.start(workers=2)
        facts: dict[int, dict[str, Any]] = {}
        while len(facts) < 2:
            site.put()
            readable, _, _ = select.select([s.sock for s in site.streams.values()], [], [], 20)
            for stream in site.streams.values():
                if stream.sock in readable:
                    fact = json.loads(stream.answer().body)
                    facts[fact["pid"]] = fact
        first, second = facts.values()
        self.assertNotEqual(first["random"], second["random"])
        for fact in (first, second):
            self.assertEqual(fact["comm"], "hotclub-worker")
            self.assertEqual(fact["group"], fact["pid"])
            self.assertGreater(fact["frozen"], 0)
            self.assertIsNone(fact["control"])
            self.assertTrue(fact["interrupt_ignored"])
            self.assertTrue(fact["child_default"])
        name = Path(f"/proc/{site.process.pid}/comm").read_text().strip()
        self.assertEqual(name, "hotclub-fork")

    def test_a_worker_holds_only_its_own_descriptors(self) -> None:
        site = Harness("descriptors", lanes=2)
        self.addCleanup(site.__exit__)
        site.start(workers=3)
        listing = ""
        for number in range(30):
            site.put(lane=number % 2)
        for stream in site.streams.values():
            if select.select([stream.sock], [], [], 0.2)[0]:
                listing = stream.answer().body.decode()
        kinds = [line.split(" ", 1)[1].split(":[")[0] for line in listing.splitlines()]
        self.assertEqual(kinds[0], "/dev/null")
        # Beside the standard three: queue, two reply sockets, the queue's end; the scoreboard.
        self.assertEqual(kinds.count("socket"), 4, listing)
        self.assertEqual(len([kind for kind in kinds if "scoreboard" in kind]), 1, listing)
        self.assertNotIn("pipe", kinds, listing)
        self.assertEqual(len(kinds), 8, listing)

    def test_the_wrong_number_of_reply_sockets_is_an_error_of_that_fork_only(self) -> None:
        site = self.serve("hello", lanes=2)
        site.send({"type": "fork", "slot": 1}, [0])
        failed = site.expect("failed")
        self.assertEqual((failed["slot"], failed["error"]["type"]), (1, "ValueError"))
        self.assert_still_serves(site)

    def test_a_dead_fork_server_leaves_its_workers_serving(self) -> None:
        site = self.serve("hello")
        os.kill(site.process.pid, signal.SIGKILL)
        site.process.wait()
        for _ in range(20):
            self.assert_still_serves(site)

    def test_quit_ends_the_fork_server_and_the_workers_stay_until_the_queue_ends(self) -> None:
        site = self.serve("hello")
        site.send({"type": "quit"})
        self.assertEqual(site.process.wait(20), 0)
        self.assert_still_serves(site)

    def test_ctrl_c_is_for_the_supervisor(self) -> None:
        site = self.serve("hello")
        os.kill(site.process.pid, signal.SIGINT)
        os.kill(site.pids[0], signal.SIGINT)
        self.assert_still_serves(site)
        site.fork(1)

    def test_an_unknown_message_is_logged_and_ignored(self) -> None:
        site = self.serve("hello")
        site.send({"type": "dance"})
        site.fork(1)
        self.assertIn("'dance'", site.log())


class Dying(Case):
    def test_a_killed_worker_is_reported_with_its_signal(self) -> None:
        site = self.serve("hello")
        site.signal(0, signal.SIGKILL)
        exited = site.expect("exited")
        self.assertEqual(
            {key: exited[key] for key in ("slot", "pid", "code", "signal", "core")},
            {"slot": 0, "pid": site.pids[0], "code": None, "signal": 9, "core": False},
        )
        self.assertGreater(exited["maxrss"], 1_000_000)
        site.fork(0)
        self.assert_still_serves(site)

    def test_a_worker_that_exits_is_reported_with_its_code(self) -> None:
        site = self.serve("exits")
        site.put("/exit")
        self.assertIsNone(site.streams[0, 0].frame())
        exited = site.expect("exited")
        self.assertEqual((exited["code"], exited["signal"]), (7, None))

    def test_a_segfault_leaves_its_stack_in_the_log(self) -> None:
        site = self.serve("hello")
        site.signal(0, signal.SIGSEGV)
        self.assertEqual(site.expect("exited")["signal"], signal.SIGSEGV)
        self.assertIn("Fatal Python error: Segmentation fault", site.log())

    def test_a_signal_can_reach_everything_a_worker_started(self) -> None:
        site = self.serve("leaves_child")
        child = int(site.get().body)
        site.signal(0, signal.SIGKILL, group=True)
        self.assertEqual(site.expect("exited")["signal"], 9)
        until_gone(child)

    def test_the_front_sees_a_death_even_when_a_child_of_the_app_lives_on(self) -> None:
        site = self.serve("leaves_child")
        child = int(site.get().body)
        site.signal(0, signal.SIGKILL)
        self.assertIsNone(site.streams[0, 0].frame(patience=5))
        os.kill(child, signal.SIGKILL)

    def test_stacks_of_all_threads_are_dumped_on_a_signal(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            gate = os.path.join(folder, "gate")
            os.mkfifo(gate)
            for threads in (1, 2):
                site = self.serve("gate", threads=threads)
                request = site.put(f"/?{gate}")
                slot = until_taken(site, request)
                site.signal(0, signal.SIGRTMAX - 1)
                until_logged(site, "gate.py")
                with open(gate, "wb"):
                    pass
                self.assertEqual(site.streams[slot, 0].answer().body, b"open")


class Leaving(Case):
    def test_a_waiting_worker_leaves_on_sigterm(self) -> None:
        for threads in (1, 4):
            site = self.serve("hello", threads=threads)
            site.signal(0, signal.SIGTERM)
            self.assertEqual(site.expect("exited")["code"], 0)

    def test_a_working_worker_answers_first(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            gate = os.path.join(folder, "gate")
            os.mkfifo(gate)
            for threads in (1, 3):
                site = self.serve("gate", threads=threads)
                slot = until_taken(site, site.put(f"/?{gate}"))
                site.signal(0, signal.SIGTERM)
                site.board.until(0, "state", 3)
                with open(gate, "wb"):
                    pass
                self.assertEqual(site.streams[slot, 0].answer().body, b"open")
                self.assertEqual(site.expect("exited")["code"], 0)

    def test_the_end_of_the_queue_is_the_end_of_the_workers_after_what_was_queued(self) -> None:
        for threads in (1, 3):
            site = self.serve("hello", threads=threads)
            for _ in range(50):
                site.put()
            site.queue.close()
            self.assertEqual(site.expect("exited")["code"], 0)
            answered = sum(site.board.get(slot, "done") for slot in range(threads))
            self.assertEqual(answered, 50)

    def test_500_sigterms_under_a_stream_of_requests_lose_none(self) -> None:
        for threads, rounds in ((1, 500), (3, 60)):
            with self.subTest(threads=threads):
                site = self.serve("hello", threads=threads)
                stream = Requests(site)
                stream.fork_more(threads)
                for number in range(rounds):
                    slot = (number % 2) * threads
                    site.signal(slot, signal.SIGTERM)
                    exited = site.expect("exited")
                    self.assertEqual((exited["slot"], exited["code"]), (slot, 0))
                    stream.again(slot)
                self.assertEqual(stream.finish(), set(), "requests without an answer")

    def test_exit_functions_run_when_a_worker_leaves(self) -> None:
        site = self.serve("exit_functions")
        site.get()
        site.signal(0, signal.SIGTERM)
        self.assertEqual(site.expect("exited")["code"], 0)
        self.assertIn("served\ngoodbye from atexit", site.log())

    def test_exit_functions_cannot_keep_a_worker(self) -> None:
        site = self.serve("exit_functions", env={"HANG": "1"})
        site.signal(0, signal.SIGTERM)
        self.assertEqual(site.expect("exited")["code"], 0)
        self.assertIn("cut short", site.log())


class Threads(Case):
    def test_each_thread_serves_its_own_slot(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            gates = [os.path.join(folder, str(number)) for number in range(3)]
            site = self.serve("gate", threads=3)
            slots = {}
            for gate in gates:
                os.mkfifo(gate)
                slots[until_taken(site, site.put(f"/?{gate}"))] = gate
            self.assertEqual(sorted(slots), [0, 1, 2])
            self.assertEqual(len({site.board.get(slot, "thread") for slot in slots}), 3)
            for slot, gate in slots.items():
                with open(gate, "wb"):
                    pass
                self.assertEqual(site.streams[slot, 0].answer().body, b"open")

    def test_one_thread_is_the_main_thread(self) -> None:
        facts = json.loads(self.serve("process_facts").get().body)
        self.assertTrue(facts["main"])


class HardApps(Case):
    """Item 11 of issue 3: none of these harms anybody else."""

    def test_closing_inherited_descriptors_ends_the_worker_loudly(self) -> None:
        site = self.serve("closes_descriptors")
        site.put("/close")
        self.assertIsNone(site.streams[0, 0].frame())
        self.assertEqual(site.expect("exited")["code"], 4)
        self.assertIn("cannot be", site.log())
        site.fork(0)
        self.assert_still_serves(site, "/ok")

    def test_megabytes_of_output_are_no_problem(self) -> None:
        site = self.serve("prints")
        self.assertEqual(site.get().body, b"ok")

    def test_closed_standard_streams_do_not_silence_the_log(self) -> None:
        site = self.serve("prints")
        self.assert_status(site, "/closed", 500)
        self.assertIn("after the end", site.log())
        self.assertIn("seen all the same", site.log())
        self.assert_status(site, "/closed", 500)

    def test_a_deleted_working_directory_is_no_problem(self) -> None:
        site = self.serve("deletes_folder")
        self.assert_still_serves(site)
        self.assert_status(site, "/raise", 500)
        self.assertIn("without a folder", site.log())

    def test_what_an_app_changes_at_import_does_not_reach_the_loop(self) -> None:
        for threads in (1, 2):
            site = self.serve("changes_world", threads=threads)
            self.assertTrue(select_quiet(site, 0.1))
            request = site.put()
            slot = until_done(site)
            self.assertEqual(site.streams[slot, 0].answer().body, b"kept")
            self.assertGreater(request, 0)
            site.signal(0, signal.SIGTERM)
            self.assertEqual(site.expect("exited")["code"], 0)

    def test_a_forked_child_that_runs_out_of_the_app_answers_nobody(self) -> None:
        site = self.serve("forks")
        for path, body in {
            "/return": b"parent 0",
            "/raise": b"parent 1",
            "/exit": b"parent 5",
            "/parts": b"both, parent 1",
        }.items():
            with self.subTest(path):
                answer = site.get(path)
                self.assertEqual((answer.body, answer.aborted), (body, False))
        self.assertEqual(site.get("/return").body, b"parent 0")

    def test_multiprocessing_and_subprocess_work(self) -> None:
        site = self.serve("multiprocess")
        for _ in range(3):
            self.assertEqual(site.get().body, b"[1, 4, 9] sub")
        site.signal(0, signal.SIGTERM)
        self.assertEqual(site.expect("exited")["code"], 0)

    def assert_status(self, site: Harness, path: str, status: int) -> None:
        self.assertEqual(site.get(path).status, status)


class Requests:
    """Keeps eight requests on their way while workers come and go, and counts the answers."""

    def __init__(self, site: Harness) -> None:
        self._site = site
        self._open: set[int] = set()
        self._lock = threading.Lock()
        self._stop = False
        self._thread = threading.Thread(target=self._run)
        self._retired: list[Any] = []
        self.error: Optional[BaseException] = None

    def fork_more(self, slot: int) -> None:
        self._site.fork(slot)
        self._thread.start()

    def again(self, slot: int) -> None:
        """Replaces the worker that left; what it had answered is still read."""
        with self._lock:
            for thread in range(self._site.threads):
                self._retired.append(self._site.streams.pop((slot + thread, 0)))
            self._site.fork(slot)

    def finish(self) -> "set[int]":
        self._stop = True
        self._thread.join(30)
        for stream in self._retired:
            stream.close()
        if self.error is not None:
            raise self.error
        return self._open

    def _run(self) -> None:
        try:
            deadline = time.monotonic() + 5
            while not self._stop or (self._open and time.monotonic() < deadline):
                if not self._stop:
                    deadline = time.monotonic() + 5
                    while len(self._open) < 8:
                        self._open.add(self._site.put())
                with self._lock:
                    streams = {s.sock: s for s in self._site.streams.values()}
                    for stream in self._retired:
                        streams[stream.sock] = stream
                for sock in select.select(list(streams), [], [], 0.01)[0]:
                    self._take(streams[sock])
        except BaseException as error:
            self.error = error

    def _take(self, stream: Any) -> None:
        frame = stream.frame()
        while frame is not None:
            self._open.remove(frame.request)
            if not stream.has_more():
                return
            frame = stream.frame()
        with self._lock:  # its end; nothing more can come
            if stream in self._retired:
                self._retired.remove(stream)
                stream.close()


def until_taken(site: Harness, request: int) -> int:
    """The slot that has the request in hand."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for slot in range(site.board.slots):
            if site.board.get(slot, "request") == request:
                return slot
        os.sched_yield()
    raise TimeoutError("no worker took the request")


def until_done(site: Harness) -> int:
    """The slot that has finished a request."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for slot in range(site.board.slots):
            if site.board.get(slot, "done"):
                return slot
        os.sched_yield()
    raise TimeoutError("no worker finished the request")


def until_logged(site: Harness, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in site.log():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{text!r} is not in the log:\n{site.log()}")
        time.sleep(0.005)


def until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except OSError:
            return
        time.sleep(0.002)
    raise TimeoutError(f"process {pid} lives on")


def select_quiet(site: Harness, seconds: float) -> bool:
    """Nothing is said on the control socket for so long: no worker died of its timeout."""
    return not select.select([site.control], [], [], seconds)[0]


assert APPS.is_dir()

if __name__ == "__main__":
    unittest.main()
