"""Tunings `idle_gzip` and `idle_whitenoise`: middleware whose work the front does is left out.

Only those that are named here, not what others derived from them, and only where nothing is lost.
"""

from typing import Any, Optional

from hotclub_worker.templates import Finding

GZIP = "django.middleware.gzip.GZipMiddleware"
WHITENOISE = "whitenoise.middleware.WhiteNoiseMiddleware"


def gzip(settings: Any, compresses: bool) -> "list[Finding]":
    """`compresses`: the front does so with everything, as GZipMiddleware would."""
    if not _names(settings, GZIP):
        return []
    if not compresses:
        what = (
            'the front leaves some pages uncompressed unless hotclub.toml says compress = "always"'
        )
        return [Finding(GZIP, False, what)]
    return _left_out(settings, GZIP, "the front compresses")


def whitenoise(settings: Any, static_url: Optional[str]) -> "list[Finding]":
    """`static_url`: where the front serves what was collected; None where it does not."""
    if not _names(settings, WHITENOISE):
        return []
    for name in ("WHITENOISE_ROOT", "WHITENOISE_STATIC_PREFIX"):
        if getattr(settings, name, None):
            return [Finding(WHITENOISE, False, f"the settings say {name}")]
    if not static_url or _path(static_url) != _path(str(getattr(settings, "STATIC_URL", ""))):
        return [Finding(WHITENOISE, False, "the front does not serve STATIC_URL")]
    return _left_out(settings, WHITENOISE, "the front serves static files")


def _path(url: str) -> str:
    return "/" + url.strip("/") + "/"


def _names(settings: Any, middleware: str) -> bool:
    written: Any = getattr(settings, "MIDDLEWARE", None)
    return type(written) in (list, tuple) and middleware in written


def _left_out(settings: Any, middleware: str, what: str) -> "list[Finding]":
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != middleware]
    return [Finding(middleware, True, what, "MIDDLEWARE without it")]
