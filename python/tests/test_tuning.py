"""What is tuned, what is left alone, and that it reaches the app before anybody reads settings."""

import gc
import importlib.util
import json
import tempfile
import time
import unittest
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable
from unittest import mock

from hotclub_worker import caches, databases, idle, rubbish, templates
from hotclub_worker.databases import Keeper, Patient, Server, Session, changes_session

from tests.harness import Harness
from tests.test_wsgi import Case

ALL = {"persistent_connections": True, "cached_templates": True, "workers": 2, "threads": 1}
FILESYSTEM = "django.template.loaders.filesystem.Loader"
APP_DIRECTORIES = "django.template.loaders.app_directories.Loader"


class Databases(unittest.TestCase):
    def setUp(self) -> None:
        version = SimpleNamespace(VERSION=(5, 2, 0, "final", 0))
        modules = mock.patch.dict("sys.modules", {"django": version})
        modules.start()
        self.addCleanup(modules.stop)

    def settle(self, entry: Any, **more: Any) -> "tuple[templates.Finding, Any]":
        settings = SimpleNamespace(DATABASES={"default": entry}, **more)
        written = dict(entry) if isinstance(entry, dict) else entry
        (finding,) = Keeper(4).settings(settings)
        self.assertEqual(finding.at, "DATABASES['default']")
        self.assertEqual(entry, written, "the user's own object was changed")
        return finding, settings.DATABASES["default"]

    def left(self, entry: Any, **more: Any) -> str:
        finding, after = self.settle(entry, **more)
        self.assertFalse(finding.done)
        self.assertIs(after, entry)
        return finding.what

    def test_postgres_without_a_word_on_age_is_kept_and_checked(self) -> None:
        for engine in (databases.POSTGRES, databases.POSTGIS):
            finding, after = self.settle({"ENGINE": engine, "NAME": "site"})
            self.assertTrue(finding.done)
            self.assertEqual((after["CONN_MAX_AGE"], after["CONN_HEALTH_CHECKS"]), (60, True))
            self.assertEqual(after["NAME"], "site")
            self.assertEqual(finding.code, '"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True')

    def test_what_the_settings_say_is_never_contradicted(self) -> None:
        for name, value in (
            ("CONN_MAX_AGE", 0),
            ("CONN_MAX_AGE", None),
            ("CONN_MAX_AGE", 600),
            ("CONN_HEALTH_CHECKS", False),
        ):
            reason = self.left({"ENGINE": databases.POSTGRES, name: value})
            self.assertEqual(reason, f"the settings say {name} = {value!r}")

    def test_an_age_beside_databases_is_taken_for_the_wish_that_it_is(self) -> None:
        _, after = self.settle({"ENGINE": databases.POSTGRES}, CONN_MAX_AGE=300)
        self.assertEqual(after["CONN_MAX_AGE"], 300)
        self.assertIn("beside", self.left({"ENGINE": databases.POSTGRES}, CONN_MAX_AGE=0))

    def test_other_backends_and_poolers_are_left_alone(self) -> None:
        postgres = {"ENGINE": databases.POSTGRES}
        for entry, word in (
            ({"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}, "file"),
            ({"ENGINE": "django.db.backends.mysql"}, "not known"),
            ({"ENGINE": "django_tenants.postgresql_backend"}, "django_tenants"),
            ({"ENGINE": "django_prometheus.db.backends.postgresql"}, "django_prometheus"),
            ({}, "no database"),
            ({**postgres, "PORT": 6432}, "pooler"),
            ({**postgres, "DISABLE_SERVER_SIDE_CURSORS": True}, "pooler"),
            ({**postgres, "OPTIONS": {"pool": True}}, "pool"),
            ({**postgres, "AUTOCOMMIT": False}, "AUTOCOMMIT"),
        ):
            with self.subTest(entry):
                self.assertIn(word, self.left(entry))

    def test_a_django_that_cannot_check_connections_keeps_none(self) -> None:
        with mock.patch.dict("sys.modules", {"django": SimpleNamespace(VERSION=(4, 0, 10))}):
            self.assertIn("4.1", self.left({"ENGINE": databases.POSTGRES}))

    def test_settings_that_compute_when_read_are_left_alone(self) -> None:
        class Lazy(dict):  # type: ignore[type-arg]
            pass

        self.assertIn("Lazy", self.left(Lazy(ENGINE=databases.POSTGRES)))
        settings = SimpleNamespace(DATABASES=Lazy(default={"ENGINE": databases.POSTGRES}))
        (finding,) = Keeper(4).settings(settings)
        self.assertEqual((finding.at, finding.done), ("DATABASES", False))

    def test_each_of_several_databases_is_looked_at_for_itself(self) -> None:
        default, other = {"ENGINE": databases.POSTGRES}, {"ENGINE": "django.db.backends.sqlite3"}
        settings = SimpleNamespace(DATABASES={"default": default, "other": other})
        found = {f.at: f.done for f in Keeper(4).settings(settings)}
        self.assertEqual(found, {"DATABASES['default']": True, "DATABASES['other']": False})
        self.assertEqual(list(settings.DATABASES), ["default", "other"])
        self.assertIs(settings.DATABASES["other"], other)

    def test_statements_that_outlive_their_transaction_are_known(self) -> None:
        for sql in (
            "SET search_path TO other",
            "  set ROLE nobody",
            "SET SESSION statement_timeout = 5",
            "SELECT 1; SET statement_timeout = 5",
            "/* why */ SET x.y = 1",
            "-- why\nSET x.y = 1",
            "RESET ALL",
            "LISTEN news",
            "PREPARE q AS SELECT 1",
            "CREATE TEMPORARY TABLE t (x int)",
            "CREATE LOCAL TEMP TABLE t (x int)",
            "SELECT * INTO TEMP t FROM u",
            "SELECT set_config('a.b', %s, false)",
            "SELECT pg_advisory_lock(1)",
            "SELECT pg_try_advisory_lock_shared(1)",
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        ):
            self.assertTrue(changes_session(sql), sql)

    def test_statements_that_end_with_their_transaction_cost_nothing(self) -> None:
        for sql in (
            "SELECT * FROM pieces",
            "UPDATE pieces SET title = %s WHERE id = %s",
            "SET LOCAL statement_timeout = 5",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SET CONSTRAINTS ALL IMMEDIATE",
            "SELECT pg_advisory_xact_lock(1)",
            "PREPARE TRANSACTION 'x'",
            "SAVEPOINT s1",
            "INSERT INTO t (offset_) VALUES (1) ON CONFLICT (id) DO UPDATE SET x = 1",
        ):
            self.assertFalse(changes_session(sql), sql)

    def test_a_connection_whose_session_was_changed_ends_with_the_request(self) -> None:
        connection = SimpleNamespace(close_at=None, connection=None)
        session = Session(connection)

        def run(sql: Any, *_: Any) -> str:
            return f"ran {sql}"

        self.assertEqual(session(run, "SELECT 1", None, False, {}), "ran SELECT 1")
        self.assertIsNone(connection.close_at)
        session(run, "SET ROLE nobody", None, False, {})
        self.assertLessEqual(connection.close_at, time.monotonic())
        connection.close_at = None
        session(run, b"SET ROLE nobody", None, False, {})
        self.assertIsNotNone(connection.close_at)
        connection.close_at = None
        session(run, object(), None, False, {})
        self.assertIsNotNone(connection.close_at, "in doubt")


class Patience(unittest.TestCase):
    class Away(Exception):
        pass

    def connection(self, connect: "Callable[[], None]") -> Any:
        database = SimpleNamespace(OperationalError=self.Away)
        return SimpleNamespace(connect=connect, Database=database)

    def test_a_server_that_comes_back_is_waited_for(self) -> None:
        answers = [self.Away("starting up"), self.Away("refused"), None]

        def connect() -> None:
            answer = answers.pop(0)
            if answer is not None:
                raise answer

        Patient(self.connection(connect))()
        self.assertEqual(answers, [])

    def test_a_server_that_stays_away_is_waited_for_once(self) -> None:
        tries = []

        def connect() -> None:
            tries.append(1)
            raise self.Away

        with mock.patch.object(databases, "PATIENCE", 0.1):
            patient = Patient(self.connection(connect))
            with self.assertRaises(self.Away):
                patient()
            self.assertGreater(len(tries), 1)
            del tries[:]
            with self.assertRaises(self.Away):
                patient()
            self.assertEqual(len(tries), 1)

    def test_other_errors_are_the_apps_at_once(self) -> None:
        def connect() -> None:
            raise KeyError("no driver")

        with self.assertRaises(KeyError):
            Patient(self.connection(connect))()


class Asked(unittest.TestCase):
    """What the server says can still undo the tuning."""

    def keeper(self, server: Any, sessions: int, *aliases: str) -> "tuple[Keeper, Any]":
        entry = {"ENGINE": databases.POSTGRES, "HOST": "db", "PORT": ""}
        settings = SimpleNamespace(DATABASES=dict.fromkeys(aliases, entry))
        modules: dict[str, Any] = {
            "django": SimpleNamespace(VERSION=(5, 2)),
            "django.db": mock.Mock(),
        }
        with mock.patch.dict("sys.modules", modules), mock.patch.object(databases, "ask") as ask:
            ask.return_value = server
            keeper = Keeper(sessions)
            keeper.settings(settings)
            connections = modules["django.db"].connections
            connections.settings = settings.DATABASES
            connections.all.return_value = []
            self.changed, self.warnings = keeper.loaded()
        return keeper, settings.DATABASES

    def test_connections_that_fit_are_kept(self) -> None:
        _, after = self.keeper(Server(allowed=4, pooled=False), 4, "default")
        self.assertEqual((self.changed, self.warnings), ([], []))
        self.assertEqual(after["default"]["CONN_MAX_AGE"], 60)

    def test_connections_that_do_not_fit_are_not_kept_and_that_is_a_warning(self) -> None:
        _, after = self.keeper(Server(allowed=3, pooled=False), 4, "default")
        self.assertFalse(self.changed[0].done)
        self.assertEqual(after["default"]["CONN_MAX_AGE"], 0)
        (warning,) = self.warnings
        self.assertIn("would keep 4 connections", warning["message"])
        self.assertIn("max_connections", warning["hint"])

    def test_databases_of_one_server_share_what_it_allows(self) -> None:
        self.keeper(Server(allowed=7, pooled=False), 4, "default", "other")
        self.assertIn("would keep 8 connections", self.warnings[0]["message"])

    def test_a_pooler_is_found_by_its_answer(self) -> None:
        _, after = self.keeper(Server(allowed=100, pooled=True), 4, "default")
        self.assertIn("pooler", self.changed[0].what)
        self.assertEqual(after["default"]["CONN_MAX_AGE"], 0)
        self.assertEqual(self.warnings, [])

    def test_a_server_that_does_not_answer_changes_nothing(self) -> None:
        _, after = self.keeper(None, 4, "default")
        self.assertEqual(after["default"]["CONN_MAX_AGE"], 60)


class Templates(unittest.TestCase):
    def cache(self, options: Any, backend: str = templates.DJANGO) -> "tuple[Any, Any]":
        entry = {"BACKEND": backend, "DIRS": ["templates"], "OPTIONS": options}
        settings = SimpleNamespace(TEMPLATES=[entry])
        found = templates.cache(settings)
        self.assertEqual(entry["OPTIONS"], options)
        return found, settings.TEMPLATES[0]

    def test_named_loaders_are_wrapped_in_the_cached_one(self) -> None:
        for loaders in ([FILESYSTEM, APP_DIRECTORIES], ((FILESYSTEM, ["a", "b"]), APP_DIRECTORIES)):
            (finding,), after = self.cache({"loaders": loaders, "autoescape": False})
            self.assertEqual(after["OPTIONS"]["loaders"], [(templates.CACHED, list(loaders))])
            self.assertEqual(after["OPTIONS"]["autoescape"], False)
            self.assertEqual(after["DIRS"], ["templates"])
            self.assertEqual((finding.at, finding.done), ("TEMPLATES[0]", True))
            self.assertIn(templates.CACHED, finding.code)

    def test_what_django_caches_itself_is_not_mentioned(self) -> None:
        self.assertEqual(self.cache({})[0], [])
        self.assertEqual(self.cache({}, "django.template.backends.jinja2.Jinja2")[0], [])

    def test_loaders_that_may_change_their_mind_are_left_alone(self) -> None:
        for options, word in (
            ({"loaders": [(templates.CACHED, [FILESYSTEM])]}, "already"),
            ({"loaders": [FILESYSTEM, "dbtemplates.loader.Loader"]}, "dbtemplates"),
            ({"loaders": [FILESYSTEM], "debug": True}, "debug"),
            ({"loaders": {FILESYSTEM}}, "plain list"),
        ):
            with self.subTest(options):
                (finding,), after = self.cache(options)
                self.assertFalse(finding.done)
                self.assertIn(word, finding.what)
                self.assertIs(after["OPTIONS"], options)
        (finding,), _ = self.cache({"loaders": [FILESYSTEM]}, "shop.engines.Engine")
        self.assertIn("shop.engines.Engine", finding.what)


class Sessions(unittest.TestCase):
    def warnings(self, workers: int = 2, **settings: Any) -> "list[dict[str, str]]":
        return caches.sessions(SimpleNamespace(**settings), workers)

    def test_sessions_in_a_workers_own_memory_are_a_warning(self) -> None:
        local = {"default": {"BACKEND": caches.LOCAL}}
        for kind in ("cache", "cached_db"):
            engine = f"django.contrib.sessions.backends.{kind}"
            (warning,) = self.warnings(SESSION_ENGINE=engine, CACHES=local)
            self.assertIn("LocMemCache", warning["message"])
            self.assertEqual(self.warnings(1, SESSION_ENGINE=engine, CACHES=local), [])
        others: list[dict[str, Any]] = [
            {"SESSION_ENGINE": "django.contrib.sessions.backends.db", "CACHES": local},
            {"SESSION_ENGINE": engine, "CACHES": {"default": {"BACKEND": "redis.RedisCache"}}},
            {},
        ]
        for settings in others:
            self.assertEqual(self.warnings(**settings), [])


class SharedCache(unittest.TestCase):
    def test_each_cache_in_memory_becomes_one_in_files_that_says_the_same(self) -> None:
        redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache"}
        written: dict[str, dict[str, Any]] = {
            "default": {"BACKEND": caches.LOCAL, "TIMEOUT": 7, "OPTIONS": {"MAX_ENTRIES": 9}},
            "same": {"BACKEND": caches.LOCAL},
            "other": {"BACKEND": caches.LOCAL, "LOCATION": "other"},
            "redis": redis,
        }
        settings = SimpleNamespace(CACHES=written)
        found = caches.share(settings, "/own")
        self.assertEqual([f.done for f in found], [True] * 3)
        after = settings.CACHES
        self.assertEqual(
            (after["default"]["BACKEND"], after["default"]["TIMEOUT"]), (caches.FILES, 7)
        )
        self.assertEqual(after["default"]["OPTIONS"], {"MAX_ENTRIES": 9})
        self.assertEqual(after["default"]["LOCATION"], after["same"]["LOCATION"])
        self.assertNotEqual(after["default"]["LOCATION"], after["other"]["LOCATION"])
        self.assertTrue(after["other"]["LOCATION"].startswith("/own/"))
        self.assertIs(after["redis"], redis)
        self.assertEqual(written["default"]["BACKEND"], caches.LOCAL)
        self.assertEqual(caches.share(SimpleNamespace(CACHES=written), None), [])

    def test_unless_asked_for_it_is_only_told_and_only_of_what_the_settings_say(self) -> None:
        for said, workers, count in ((True, 2, 1), (False, 2, 0), (True, 1, 0)):
            settings = SimpleNamespace(
                CACHES={"default": {"BACKEND": caches.LOCAL}},
                is_overridden=lambda name, said=said: said,
            )
            found = caches.local(settings, workers)
            self.assertEqual([f.done for f in found], [False] * count)


class Idle(unittest.TestCase):
    COMMON = "django.middleware.common.CommonMiddleware"

    def test_gzip_is_left_out_only_where_the_front_compresses_everything(self) -> None:
        written = [idle.GZIP, self.COMMON]
        settings = SimpleNamespace(MIDDLEWARE=written)
        (finding,) = idle.gzip(settings, False)
        self.assertFalse(finding.done)
        self.assertIs(settings.MIDDLEWARE, written)
        (finding,) = idle.gzip(settings, True)
        self.assertTrue(finding.done)
        self.assertEqual(settings.MIDDLEWARE, [self.COMMON])
        self.assertEqual(len(written), 2)
        for other in ([self.COMMON], ["shop.GZipMiddleware"], None):
            self.assertEqual(idle.gzip(SimpleNamespace(MIDDLEWARE=other), True), [])

    def test_whitenoise_is_left_out_only_where_the_front_serves_all_that_it_would(self) -> None:
        def after(static_url: Any, **more: Any) -> "tuple[bool, list[str]]":
            middleware = [idle.WHITENOISE, self.COMMON]
            settings = SimpleNamespace(MIDDLEWARE=middleware, STATIC_URL="static/", **more)
            (finding,) = idle.whitenoise(settings, static_url)
            return finding.done, settings.MIDDLEWARE

        self.assertEqual(after("/static/"), (True, [self.COMMON]))
        self.assertFalse(after(None)[0])
        self.assertFalse(after("/files/")[0])
        self.assertFalse(after("/static/", WHITENOISE_ROOT="/srv/root")[0])
        self.assertFalse(after("/static/", WHITENOISE_STATIC_PREFIX="/s/")[0])


class Rubbish(unittest.TestCase):
    def setUp(self) -> None:
        self.addCleanup(gc.set_threshold, *gc.get_threshold())

    def test_the_threshold_is_raised_unless_the_app_had_a_mind_of_its_own(self) -> None:
        before = gc.get_threshold()
        (finding,) = rubbish.rarely()
        self.assertTrue(finding.done)
        self.assertEqual(gc.get_threshold(), (rubbish.YOUNGEST, *before[1:]))
        (finding,) = rubbish.rarely()
        self.assertIn("the app set", finding.what)
        gc.set_threshold(*before)
        gc.disable()
        self.addCleanup(gc.enable)
        (finding,) = rubbish.rarely()
        self.assertIn("turned the collector off", finding.what)


SITE_SETTINGS = """
import os

SECRET_KEY = "of no importance"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "site_urls"
INSTALLED_APPS = []
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "HOST": "/nowhere"}}
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"a": "b"})]},
}]
"""
SITE_URLS = """
from django.conf import settings
from django.db import connection
from django.http import JsonResponse
from django.template import engines
from django.urls import path


def facts(request):
    return JsonResponse({
        "age": connection.settings_dict["CONN_MAX_AGE"],
        "checks": connection.settings_dict["CONN_HEALTH_CHECKS"],
        "loader": type(engines.all()[0].engine.template_loaders[0]).__module__,
        "template": engines.all()[0].get_template("a").render(),
        "explicit": settings.is_overridden("DATABASES"),
    })


urlpatterns = [path("", facts)]
"""
SITE_WSGI = """
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
"""


@unittest.skipUnless(
    importlib.util.find_spec("django") and importlib.util.find_spec("psycopg"),
    "Django and psycopg are not importable: run the tests with a virtualenv that has them",
)
class Loaded(Case):
    def site(self, settings: str = "", **more: Any) -> "tuple[Any, Any]":
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for name, text in {
            "site_settings.py": SITE_SETTINGS + settings,
            "site_urls.py": SITE_URLS,
            "site_wsgi.py": SITE_WSGI,
        }.items():
            Path(folder.name, name).write_text(text)
        harness = Harness("site_wsgi", chdir=Path(folder.name), **more)
        self.addCleanup(harness.__exit__)
        loaded = harness.start()
        return loaded, json.loads(harness.get("/").body)

    def test_tuned_settings_reach_the_app_with_and_without_preload(self) -> None:
        for preload in (True, False):
            with self.subTest(preload=preload):
                loaded, facts = self.site(preload=preload, extra={"tune": ALL})
                self.assertEqual((facts["age"], facts["checks"]), (60, True))
                self.assertEqual(facts["loader"], "django.template.loaders.cached")
                self.assertEqual(facts["template"], "b")
                done = {f["tuning"]: f["done"] for f in loaded["tuned"]}
                expected = {"persistent_connections": True, "cached_templates": True}
                self.assertEqual(done, expected if preload else {})

    def test_each_part_has_a_key_of_its_own(self) -> None:
        loaded, facts = self.site(extra={"tune": {**ALL, "persistent_connections": False}})
        self.assertEqual((facts["age"], facts["loader"]), (0, "django.template.loaders.cached"))
        self.assertEqual([f["tuning"] for f in loaded["tuned"]], ["cached_templates"])
        _, facts = self.site(extra={"tune": {**ALL, "cached_templates": False}})
        self.assertEqual((facts["age"], facts["loader"]), (60, "django.template.loaders.locmem"))

    def test_without_the_key_and_with_debug_nothing_is_touched(self) -> None:
        untouched = (0, False, "django.template.loaders.locmem")
        for settings, extra in (("", {}), ("DEBUG = True\n", {"tune": ALL})):
            loaded, facts = self.site(settings, extra=extra)
            self.assertEqual((facts["age"], facts["checks"], facts["loader"]), untouched)
            self.assertFalse(any(finding["done"] for finding in loaded["tuned"]))

    def test_settings_that_fail_to_be_looked_at_do_not_fail_the_site(self) -> None:
        odd = "class Odd(list):\n    pass\nTEMPLATES = Odd(TEMPLATES)\n"
        odd += "class Broken(dict):\n    def items(self):\n        raise ValueError\n"
        odd += "DATABASES['default']['OPTIONS'] = Broken()\n"
        loaded, facts = self.site(odd, extra={"tune": ALL})
        self.assertEqual(facts["loader"], "django.template.loaders.locmem")
        self.assertEqual([f["tuning"] for f in loaded["tuned"]], ["persistent_connections"])

    def test_a_failed_load_says_what_had_been_tuned(self) -> None:
        broken = "import django.conf\n"
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        Path(folder.name, "site_settings.py").write_text(SITE_SETTINGS)
        Path(folder.name, "site_urls.py").write_text(broken + "1 / 0\n")
        Path(folder.name, "site_wsgi.py").write_text(SITE_WSGI)
        with Harness("site_wsgi", chdir=Path(folder.name), extra={"tune": ALL}) as site:
            site.expect("hello")
            error = site.load()["error"]
        self.assertEqual(error["type"], "ZeroDivisionError")
        self.assertTrue(any(finding["done"] for finding in error["tuned"]))
