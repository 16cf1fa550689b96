from django.apps import AppConfig


class SamplesConfig(AppConfig):
    """Sample works for `manage.py seed`. Without them the site misses nothing."""

    name = "samples"
