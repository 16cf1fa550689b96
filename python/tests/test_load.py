"""Loading the app: where it is looked for, what is said when that fails, Django's settings."""

import importlib.util
import json
import os
import tempfile
import unittest
from pathlib import Path
from typing import Any

from tests.harness import APPS, Harness
from tests.test_wsgi import Case

SITE_SETTINGS = """
SECRET_KEY = "of no importance"
DEBUG = False
ALLOWED_HOSTS = ["*"]
STATIC_ROOT = "from the settings"
STATIC_URL = "static/"
ROOT_URLCONF = "site_urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
SEEN_AT_LOADING = STATIC_ROOT
INSTALLED_APPS = ["site_app"]
"""
SITE_APP = """
from django.apps import AppConfig
from django.conf import settings

ROOT_AT_SETUP = []


class SiteApp(AppConfig):
    name = "site_app"

    def ready(self):
        ROOT_AT_SETUP.append(settings.STATIC_ROOT)
        from django.db import connection

        connection.ensure_connection()
"""
SITE_URLS = """
import os

from django.conf import settings
from django.db import connection
from django.http import FileResponse, HttpResponse, JsonResponse
from django.urls import path

import site_app.apps


def facts(request):
    return JsonResponse({
        "root": settings.STATIC_ROOT,
        "at setup": site_app.apps.ROOT_AT_SETUP,
        "at loading": settings.SEEN_AT_LOADING,
        "explicit": settings.is_overridden("STATIC_ROOT"),
        "connected": connection.connection is not None,
        "dotenv": os.environ.get("FROM_WSGI"),
    })


def upload(request):
    return HttpResponse(request.FILES["file"].read()[::-1])


def download(request):
    return FileResponse(open(__file__, "rb"))


def broken(request):
    raise ValueError("a view fails on purpose")


urlpatterns = [
    path("facts", facts), path("upload", upload), path("download", download),
    path("broken", broken),
]
"""
SITE_WSGI = """
import os

os.environ["FROM_WSGI"] = "set before the settings"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
"""


class Loading(Case):
    def failure(self, app: str, **more: Any) -> "dict[str, Any]":
        """The `error` of a load that fails, in the fork server and in a worker alike."""
        with Harness(app, **more) as site:
            site.expect("hello")
            failed = site.load()
            self.assertEqual(failed["type"], "failed")
            self.assertIsNone(failed["slot"])
            self.assertEqual(site.process.wait(20), 3)
        with Harness(app, preload=False, **more) as site:
            site.expect("hello")
            self.assertEqual(site.load()["type"], "loaded")
            pid = site.fork(2, ready=False)
            in_worker = site.expect("failed")
            self.assertEqual((in_worker["slot"], in_worker["pid"]), (2, pid))
            self.assertEqual(site.expect("exited")["code"], 3)
        self.assertEqual(in_worker["error"]["type"], failed["error"]["type"])
        self.assertEqual(in_worker["error"]["frames"], failed["error"]["frames"])
        return dict(failed["error"])

    def test_hello_and_loaded_say_who_is_there(self) -> None:
        with Harness("hello") as site:
            hello = site.expect("hello")
            self.assertEqual((hello["protocol"], hello["pid"]), (1, site.process.pid))
            loaded = site.load()
            self.assertIsNone(loaded["django"])
            self.assertEqual(loaded["threads"], [])
            self.assertGreater(loaded["rss"], 1_000_000)

    def test_threads_alive_at_the_fork_are_named(self) -> None:
        with Harness("thread_at_import") as site:
            self.assertEqual(site.start()["threads"], ["reporter"])
            self.assert_still_serves(site)

    def test_an_app_is_named_as_for_gunicorn(self) -> None:
        for name, body in {
            "factory:make_app()": b"made",
            "factory:make_app('x')": b"x",
            "factory:make_app(name='y')": b"y",
            "factory:site.app": b"dotted",
            "hello:application": b"hello\n",
            "hello": b"hello\n",
        }.items():
            with self.subTest(name):
                self.assertEqual(self.serve(name).get().body, body)

    def test_names_that_lead_nowhere_are_explained(self) -> None:
        for name, message in {
            "factory:nothing": "the module 'factory' has no 'nothing'",
            "factory:site.nothing": "the module 'factory' has no 'site.nothing'",
            "factory:number": "'factory:number' is int, which cannot be called",
            "factory:1+1": "'1+1' is neither an attribute nor a call of one",
            "factory:make_app(": "'make_app(' is neither an attribute nor a call of one",
        }.items():
            with self.subTest(name):
                error = self.failure(name)
                self.assertEqual((error["type"], error["message"]), ("AppNotFound", message))

    def test_a_missing_module_is_shown_where_the_users_code_asked_for_it(self) -> None:
        error = self.failure("imports_missing")
        self.assertEqual(error["type"], "ModuleNotFoundError")
        self.assertIn("no_such_module_anywhere", error["message"])
        (frame,) = error["frames"]
        self.assertEqual(frame["file"], str(APPS / "imports_missing.py"))
        self.assertEqual(frame["function"], "<module>")
        self.assertTrue(frame["code"].startswith("import no_such_module_anywhere"))
        self.assertIn("ModuleNotFoundError", error["traceback"])
        self.assertNotIn("hotclub_worker", error["traceback"])

    def test_a_syntax_error_shows_the_file_that_cannot_be_compiled(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            broken = Path(folder, "syntax_error.py")
            broken.write_text('"""Not Python."""\n\ndef broken(:\n    pass\n')
            error = self.failure("imports_broken", pythonpath=[folder])
            self.assertEqual(error["type"], "SyntaxError")
            frame = error["frames"][-1]
            self.assertEqual((frame["file"], frame["line"]), (str(broken), 3))
            self.assertEqual(frame["code"], "def broken(:")

    def test_sys_exit_at_import_is_a_failure_with_its_words(self) -> None:
        error = self.failure("exits_at_import")
        self.assertEqual(error["type"], "SystemExit")
        self.assertIn("SECRET_KEY is not set", error["message"])

    def test_a_process_that_dies_at_import_closes_the_control_socket(self) -> None:
        with Harness("crashes_at_import") as site:
            site.expect("hello")
            with self.assertRaises(EOFError):
                site.load()
            self.assertEqual(site.process.wait(20), 9)

    def test_a_missing_folder_is_a_failure(self) -> None:
        error = self.failure("hello", chdir=Path("/no/such/folder"))
        self.assertEqual(error["type"], "FileNotFoundError")

    def test_a_huge_traceback_fits_into_a_message(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            text = "raise ValueError('\u00e9\\udc80' * 200_000)\n"
            Path(folder, "huge.py").write_text(text)
            error = self.failure("huge", pythonpath=[folder])
            self.assertIn("characters left out", error["traceback"])

    def test_the_import_path_is_gunicorns(self) -> None:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            site = self.serve("process_facts", pythonpath=[one, two])
            facts = json.loads(site.get().body)
            self.assertEqual(facts["path"][:3], [two, one, str(APPS)])
            self.assertEqual(facts["cwd"], str(APPS))
            self.assertFalse([path for path in facts["path"] if "hotclub_worker" in path])

    def test_an_app_may_have_modules_named_as_ours(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name in ("wsgi", "load", "worker", "head", "files", "wire"):
                Path(folder, f"{name}.py").write_text("from hello import application\n")
            Path(folder, "wsgi.py").write_text(
                "import load, head\nfrom worker import application\n"
            )
            site = self.serve("wsgi", pythonpath=[folder])
            self.assertEqual(site.get().body, b"hello\n")

    def test_without_preload_each_worker_imports_for_itself(self) -> None:
        for threads in (1, 2):
            site = Harness("process_facts", preload=False, threads=threads)
            self.addCleanup(site.__exit__)
            site.start()
            site.put()
            while not any(site.board.get(slot, "done") for slot in range(threads)):
                os.sched_yield()
            slot = next(slot for slot in range(threads) if site.board.get(slot, "done"))
            facts = json.loads(site.streams[slot, 0].answer().body)
            self.assertEqual(facts["path"][0], str(APPS))
            self.assertEqual(facts["main"], threads == 1)

    def test_the_servers_name_comes_from_the_supervisor(self) -> None:
        site = self.serve("environ_dump", extra={"server_software": "hotclub/9.9"})
        self.assertEqual(json.loads(site.get().body)["SERVER_SOFTWARE"], "hotclub/9.9")

    def test_an_unknown_mode_is_refused(self) -> None:
        error = self.failure_of_load(extra={"mode": "asgi"})
        self.assertIn("speaks wsgi, not 'asgi'", error["message"])

    def failure_of_load(self, **more: Any) -> "dict[str, Any]":
        with Harness("hello", **more) as site:
            site.expect("hello")
            return dict(site.load()["error"])


@unittest.skipUnless(
    importlib.util.find_spec("django"),
    "Django is not importable: run the tests with the Python of a virtualenv that has it",
)
class Django(Case):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        for name, text in {
            "site_settings.py": SITE_SETTINGS,
            "site_app/__init__.py": "",
            "site_app/apps.py": SITE_APP,
            "site_urls.py": SITE_URLS,
            "site_wsgi.py": SITE_WSGI,
        }.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def site(self, **more: Any) -> Harness:
        harness = Harness("site_wsgi", chdir=self.folder, **more)
        self.addCleanup(harness.__exit__)
        self.loaded = harness.start()
        return harness

    def test_settings_are_overridden_before_setup(self) -> None:
        for preload in (True, False):
            with self.subTest(preload=preload):
                settings = {"STATIC_ROOT": "/from/hotclub"}
                facts = json.loads(self.site(settings=settings, preload=preload).get("/facts").body)
                self.assertEqual(facts["root"], "/from/hotclub")
                self.assertEqual(facts["at setup"], ["/from/hotclub"])
                self.assertEqual(facts["at loading"], "from the settings")
                self.assertTrue(facts["explicit"])
                self.assertEqual(facts["dotenv"], "set before the settings")

    def test_settings_that_are_configured_by_hand_are_overridden_too(self) -> None:
        text = SITE_WSGI.replace(
            "from django.core.wsgi",
            "from django.conf import settings\nimport site_settings\n"
            "settings.configure(**{k: v for k, v in vars(site_settings).items() if k.isupper()})\n"
            "from django.core.wsgi",
        )
        (self.folder / "site_wsgi.py").write_text(text)
        facts = json.loads(self.site(settings={"STATIC_ROOT": "/ours"}).get("/facts").body)
        self.assertEqual((facts["root"], facts["at setup"]), ("/ours", ["/ours"]))

    def test_a_broken_urlconf_is_found_before_anybody_is_served(self) -> None:
        (self.folder / "site_urls.py").write_text("urlpatterns = [\n")
        harness = Harness("site_wsgi", chdir=self.folder)
        self.addCleanup(harness.__exit__)
        harness.expect("hello")
        failed = harness.load()
        self.assertEqual(failed["type"], "failed")
        self.assertEqual(failed["error"]["type"], "SyntaxError")
        self.assertTrue(failed["error"]["frames"][-1]["file"].endswith("site_urls.py"))

    def test_without_overrides_the_settings_are_untouched(self) -> None:
        facts = json.loads(self.site().get("/facts").body)
        self.assertEqual(facts["root"], "from the settings")

    def test_the_fork_server_leaves_no_database_connection_to_its_workers(self) -> None:
        site = self.site()
        self.assertIs(json.loads(site.get("/facts").body)["connected"], False)
        folder = Path(f"/proc/{site.process.pid}/fd")
        self.assertFalse([fd for fd in folder.iterdir() if "sqlite3" in os.readlink(fd)])
        self.assertRegex(str(self.loaded["django"]), r"^\d+\.\d+")

    def test_an_upload_reaches_the_view(self) -> None:
        data = bytes(range(256)) * 2000
        body = b"\r\n".join(
            [
                b"--x",
                b'Content-Disposition: form-data; name="file"; filename="a.bin"',
                b"Content-Type: application/octet-stream",
                b"",
                data,
                b"--x--",
                b"",
            ]
        )
        answer = self.site().get(
            "/upload",
            method="POST",
            body=body,
            by_descriptor=True,
            environ={"CONTENT_TYPE": "multipart/form-data; boundary=x"},
        )
        self.assertEqual((answer.status, answer.body), (200, data[::-1]))

    def test_a_file_response_goes_by_descriptor(self) -> None:
        answer = self.site().get("/download")
        self.assertEqual([frame.kind for frame in answer.frames], [1, 3])
        self.assertEqual(answer.body, SITE_URLS.encode())

    def test_a_view_that_fails_is_djangos_own_500(self) -> None:
        answer = self.site().get("/broken")
        self.assertEqual((answer.status, answer.aborted), (500, False))


if __name__ == "__main__":
    unittest.main()
