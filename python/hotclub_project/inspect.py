"""Answers what the project is: its settings as Django resolved them, without secrets."""

from __future__ import annotations

import ast
import importlib.util
import os
import platform
import sys
from collections.abc import Iterable
from typing import Any

from hotclub_project import project
from hotclub_project.recorder import Recorder

# Last part of a backend's name, the modules that can serve it, and the package to install.
DRIVERS: tuple[tuple[tuple[str, ...], tuple[str, ...], str], ...] = (
    (("postgresql", "postgresql_psycopg2", "postgis"), ("psycopg", "psycopg2"), "psycopg[binary]"),
    (("mysql",), ("MySQLdb", "pymysql"), "mysqlclient"),
    (("oracle",), ("oracledb", "cx_Oracle"), "oracledb"),
)


def main() -> None:
    request = project.read_request()
    project.prepare_path()
    recorder = Recorder(request["root"], tuple(request["outside"]))
    module: str | None = None
    try:
        module, source = project.enter(request["settings"])
        settings = load_settings(recorder)
        found = describe(settings, recorder)
        found["settings"], found["settings_from"] = module, source
        found["wsgi_settings"] = differing(settings_in(found["wsgi"]), module)
        found["pending"] = pending(found["missing"]) if request["pending"] else None
    except BaseException as error:  # settings may raise anything, SystemExit too
        failed = project.raised(error)
        failed["settings"] = module or os.environ.get(project.SETTINGS)
        failed["env"] = list(recorder.reads.values())
        project.answer(request["output"], {"raised": failed})
    project.answer(request["output"], {"found": found})


def load_settings(recorder: Recorder) -> Any:
    from django.conf import settings

    recorder.start()
    try:
        settings._setup()
    finally:
        recorder.stop()
    return settings


def describe(settings: Any, recorder: Recorder) -> dict[str, Any]:
    import django

    raw = settings._wrapped
    module = os.environ[project.SETTINGS]
    wsgi, asgi = raw.WSGI_APPLICATION, getattr(raw, "ASGI_APPLICATION", None)
    secret = text(getattr(raw, "SECRET_KEY", None))
    databases = ordered(raw.DATABASES)
    return {
        "django": django.get_version(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "wsgi": target(wsgi) or guess(module, "wsgi"),
        "wsgi_from_settings": bool(wsgi),
        "asgi": target(asgi) or guess(module, "asgi"),
        "asgi_from_settings": bool(asgi),
        "debug": bool(raw.DEBUG),
        "secret_key_insecure": insecure(secret),
        "secret_key_env": [name for name, value in recorder.values.items() if value == secret],
        "allowed_hosts": [text(host) for host in raw.ALLOWED_HOSTS],
        "csrf_trusted_origins": [text(origin) for origin in raw.CSRF_TRUSTED_ORIGINS],
        "secure_proxy_ssl_header": header(raw.SECURE_PROXY_SSL_HEADER),
        "secure_ssl_redirect": bool(raw.SECURE_SSL_REDIRECT),
        "static_url": text(settings.STATIC_URL) if raw.STATIC_URL else None,
        "static_root": absolute(raw.STATIC_ROOT),
        "static_dirs": [absolute(entry) for entry in directories(raw.STATICFILES_DIRS)],
        "static_storage": storage(raw),
        "staticfiles_installed": "django.contrib.staticfiles" in list(raw.INSTALLED_APPS),
        "media_url": text(settings.MEDIA_URL) if raw.MEDIA_URL else None,
        "media_root": absolute(raw.MEDIA_ROOT),
        "databases": [(alias, database(found)) for alias, found in databases],
        "installed_apps": [text(app) for app in raw.INSTALLED_APPS],
        "env": list(recorder.reads.values()),
        "missing": missing_drivers(databases),
    }


def text(value: object) -> str:
    return "" if value is None else str(value)


def absolute(path: Any) -> str | None:
    """Django resolves a relative folder against the working directory, as this does."""
    return os.path.abspath(os.fspath(path)) if path else None


def insecure(secret: str) -> bool:
    """Django's own measure (security.W009)."""
    return secret.startswith("django-insecure-") or len(secret) < 50 or len(set(secret)) < 5


def header(value: Any) -> list[str] | None:
    return [text(value[0]), text(value[1])] if value else None


def directories(entries: Iterable[Any]) -> list[Any]:
    """STATICFILES_DIRS holds paths, or pairs of a prefix and a path."""
    return [entry[1] if isinstance(entry, (list, tuple)) else entry for entry in entries]


def storage(raw: Any) -> str | None:
    storages = getattr(raw, "STORAGES", None) or {}
    named = storages.get("staticfiles", {}).get("BACKEND")
    return text(named or getattr(raw, "STATICFILES_STORAGE", None)) or None


def target(dotted: str | None) -> str | None:
    """``package.wsgi.application`` as ``package.wsgi:application``."""
    module, _, attribute = text(dotted).rpartition(".")
    return f"{module}:{attribute}" if module else None


def guess(settings: str, kind: str) -> str | None:
    """The nearest ``wsgi`` or ``asgi`` module beside the settings or above them."""
    package = settings
    while package:
        package = package.rpartition(".")[0]
        name = f"{package}.{kind}" if package else kind
        if origin(name):
            return f"{name}:application"
    return None


def origin(module: str) -> str | None:
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # parents are imported, and may raise anything
        return None
    return spec.origin if spec else None


def settings_in(application: str | None) -> str | None:
    """The settings that wsgi.py names; read and not run, since running it sets Django up."""
    path = origin(application.partition(":")[0]) if application else None
    if not path or not path.endswith(".py"):
        return None
    try:
        with open(path, encoding="utf-8") as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setdefault":
            values = [getattr(argument, "value", None) for argument in node.args]
            if len(values) == 2 and values[0] == project.SETTINGS and isinstance(values[1], str):
                return values[1]
    return None


def differing(named: str | None, chosen: str | None) -> str | None:
    return named if named != chosen else None


def ordered(databases: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return sorted(databases.items(), key=lambda item: item[0] != "default")


def database(found: dict[str, Any]) -> dict[str, Any]:
    options = found.get("OPTIONS") or {}
    age = found.get("CONN_MAX_AGE")
    return {
        "engine": text(found.get("ENGINE")),
        "engine_exists": origin(text(found.get("ENGINE")) + ".base") is not None,
        "name": text(found.get("NAME") or options.get("dbname")),
        "user": text(found.get("USER") or options.get("user")),
        "host": text(found.get("HOST") or options.get("host")),
        "port": text(found.get("PORT") or options.get("port")),
        "has_password": bool(found.get("PASSWORD") or options.get("password")),
        "options": sorted(text(name) for name in options),
        "conn_max_age": float(age) if isinstance(age, (int, float)) else None,
        "sets_conn_max_age": "CONN_MAX_AGE" in found,
    }


def missing_drivers(databases: list[tuple[str, dict[str, Any]]]) -> list[dict[str, str]]:
    missing = []
    for alias, found in databases:
        engine = text(found.get("ENGINE"))
        for backends, modules, package in DRIVERS:
            known = engine.rpartition(".")[2] in backends
            if known and not any(origin(module) for module in modules):
                needed_by = f"DATABASES[{alias!r}] ({engine})"
                missing.append({"module": modules[0], "package": package, "needed_by": needed_by})
    return missing


def pending(missing: list[dict[str, str]]) -> dict[str, Any]:
    """Migrations that ``migrate`` would apply; asking makes no SQLite file that is not there."""
    if missing:
        message = f"{missing[0]['package']} is not installed"
        return {"unknown": {"kind": "ModuleNotFoundError", "message": message}}
    import django

    django.setup()
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor
    from django.db.migrations.loader import MigrationLoader

    connection: Any = connections["default"]
    try:
        if no_sqlite_file(connection):
            graph = MigrationLoader(None).graph
            plan = [graph.nodes[key] for key in graph._generate_plan(graph.leaf_nodes(), True)]
        else:
            executor = MigrationExecutor(connection)
            nodes = executor.loader.graph.leaf_nodes()
            plan = [migration for migration, _ in executor.migration_plan(nodes)]
    except Exception as error:  # drivers have exceptions of their own
        return {"unknown": {"kind": type(error).__name__, "message": str(error).strip()}}
    return {"migrations": [f"{found.app_label}.{found.name}" for found in plan]}


def no_sqlite_file(connection: Any) -> bool:
    name = text(connection.settings_dict.get("NAME"))
    ordinary = bool(name) and ":memory:" not in name and not name.startswith("file:")
    return connection.vendor == "sqlite" and ordinary and not os.path.exists(name)


if __name__ == "__main__":
    main()
