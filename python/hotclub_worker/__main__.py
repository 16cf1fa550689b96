"""Entry point of `python -u …/hotclub_worker`.

Python puts the folder it runs into sys.path[0], where `wsgi.py` or `load.py` would shadow the
app's own modules; so that entry goes before anything else is imported, and the package is loaded
from its place without being findable by name on the path.
"""

import sys


def enter() -> int:
    here = __file__.rpartition("/")[0]
    if sys.path and sys.path[0] == here:
        del sys.path[0]
    import importlib.util
    import os

    here = os.path.abspath(here)

    spec = importlib.util.spec_from_file_location(
        "hotclub_worker", here + "/__init__.py", submodule_search_locations=[here]
    )
    if spec is None or spec.loader is None:
        raise SystemExit("hotclub_worker: its folder cannot be read: " + here)
    package = importlib.util.module_from_spec(spec)
    sys.modules["hotclub_worker"] = package
    spec.loader.exec_module(package)
    if sys.argv[1:2] == ["measure"]:
        from hotclub_worker import measure

        return measure.main(sys.argv[2])
    from hotclub_worker import fork_server

    return fork_server.main()


if __name__ == "__main__":
    sys.exit(enter())
