"""Keeps start_response and write() and uses them in later requests, which must not be harmed."""

kept = []


def application(environ, start_response):
    for old_start, old_write in kept:
        for attempt in (
            lambda: old_start("200 OK", [("X-Old", "yes")]),  # noqa: B023
            lambda: old_write(b"old"),  # noqa: B023
        ):
            try:
                attempt()
            except Exception:
                pass
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    kept.append((start_response, write))
    return [b"new"]
