from django.apps import AppConfig


class PiecesConfig(AppConfig):
    name = "pieces"

    def ready(self):
        from . import cleanup  # noqa: F401  (connects its signals)
