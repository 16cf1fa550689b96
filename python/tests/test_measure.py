"""What `hotclub tune` and `hotclub check` are told about a site."""

import importlib.util
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from tests.harness import PYTHON_FOLDER

SETTINGS = """
SECRET_KEY = "of no importance"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "site_urls"
INSTALLED_APPS = []
MIDDLEWARE = ["site_urls.slow", "django.middleware.common.CommonMiddleware"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {
        "home": "<a href='/other'>other</a> <a class=x href=\\"/missing\\">missing</a>",
    })]},
}]
"""
URLS = """
import time

from django.db import connection
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

print("an app may print")
COUNT = "WITH RECURSIVE n(x) AS (SELECT %s UNION ALL SELECT x + 1 FROM n WHERE x < 5000) "
COUNT += "SELECT max(x) FROM n"


def slow(get_response):
    def middleware(request):
        time.sleep(0.02)
        return get_response(request)
    return middleware


def home(request):
    for number in range(5):
        with connection.cursor() as cursor:
            cursor.execute(COUNT, [number])
    return render(request, "home")


urlpatterns = [path("", home), path("other", lambda request: HttpResponse("other"))]
"""
WSGI = """
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
"""


@unittest.skipUnless(importlib.util.find_spec("django"), "Django is not importable")
class Measured(unittest.TestCase):
    def ask(self, settings: str = "", **more: Any) -> "dict[str, Any]":
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "site_settings.py").write_text(SETTINGS + settings)
            Path(folder, "site_urls.py").write_text(URLS)
            Path(folder, "site_wsgi.py").write_text(WSGI)
            request = {"app": "site_wsgi:application", "chdir": folder, "settings": {}}
            request.update(host="localhost", tune={"cached_templates": True}, **more)
            command = [sys.executable, "-u", str(PYTHON_FOLDER / "hotclub_worker"), "measure"]
            command.append(json.dumps(request))
            ended = subprocess.run(command, stdout=subprocess.PIPE, timeout=60, check=True)
            answer: dict[str, Any] = json.loads(ended.stdout)
            return answer

    def test_pages_are_found_counted_and_what_costs_most_has_its_place(self) -> None:
        answer = self.ask(seconds=0.1, closely=True)
        self.assertEqual(answer["paths"], ["/", "/other"])
        home, other = answer["pages"]
        self.assertEqual((home["status"], home["queries"], home["connections"]), (200, 5, 1))
        self.assertEqual((other["queries"], other["connections"]), (0, 0))
        costly = {found["what"]: found for found in answer["costly"]}
        self.assertEqual(costly["site_urls.slow"]["kind"], "middleware")
        self.assertGreater(costly["site_urls.slow"]["ms"], 15)
        (repeated,) = [found for what, found in costly.items() if "SELECT max(x)" in what]
        self.assertEqual(repeated["count"], 5)
        self.assertIn("site_urls.py:24 in home", repeated["at"])

    def test_without_seconds_the_app_is_loaded_and_asked_nothing(self) -> None:
        answer = self.ask()
        self.assertEqual([finding["done"] for finding in answer["tuned"]], [True])
        self.assertNotIn("pages", answer)

    def test_an_app_that_cannot_be_loaded_is_an_answer(self) -> None:
        error = self.ask("raise ValueError('no settings')\n")["error"]
        self.assertEqual((error["type"], error["message"]), ("ValueError", "no settings"))
