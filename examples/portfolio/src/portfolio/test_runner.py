"""Runs the tests with plain static file names and with uploads in a folder that is then removed."""

import logging
import tempfile

from django.conf import settings
from django.test import override_settings
from django.test.runner import DiscoverRunner


class PortfolioRunner(DiscoverRunner):
    def setup_test_environment(self, **kwargs):
        super().setup_test_environment(**kwargs)
        for expected in ("django.request", "django.security"):
            logging.getLogger(expected).setLevel(logging.ERROR)
        settings.SECRET_KEY = "for-tests-only"
        self.media = tempfile.TemporaryDirectory(prefix="portfolio-media-")
        plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
        self.overrides = override_settings(
            MEDIA_ROOT=self.media.name,
            STORAGES={**settings.STORAGES, "staticfiles": plain},
            PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        )
        self.overrides.enable()

    def teardown_test_environment(self, **kwargs):
        self.overrides.disable()
        self.media.cleanup()
        super().teardown_test_environment(**kwargs)
