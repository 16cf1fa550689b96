"""Lints answers with httplint: from stdin as JSON, and a line on stdout for each fault."""

import json
import sys

from httplint import HttpRequestLinter, HttpResponseLinter, levels

# What the linter has an opinion about, and we have another.
OPINIONS = {
    # How long an app's page may be kept is the app's business; of redirects caches know.
    "FRESHNESS_HEURISTIC",
    # `public` is how most servers say it, and means what is meant.
    "STORE_PUBLIC_UNNECESSARY",
    # A folder's listing is made anew each time.
    "FRESHNESS_NO_CACHE_NO_VALIDATOR",
}


def main() -> None:
    for case in json.load(sys.stdin):
        for level, note in lint(case):
            print(f"{case['name']}: [{level}] {note}")


def lint(case):
    request = HttpRequestLinter(start_time=case["at"])
    request.process_request_topline(case["method"].encode(), case["url"].encode(), b"HTTP/1.1")
    request.process_headers(fields(case["request"]))
    request.finish_content(True)
    response = HttpResponseLinter(start_time=case["at"], _related=request)
    response.is_head_response = case["method"] == "HEAD"
    response.process_response_topline(
        b"HTTP/1.1", str(case["status"]).encode(), case["reason"].encode()
    )
    response.process_headers(fields(case["fields"]))
    body = bytes.fromhex(case["body"])
    if body:
        response.feed_content(body)
    response.finish_content(True)
    kinds = [value for name, value in case["fields"] if name.lower() == "content-type"]
    # Of several parts each says its own range, and the whole says none (RFC 9110, 15.3.7.2).
    several = {"PARTIAL_WITHOUT_RANGE"} if "multipart/byteranges" in str(kinds) else set()
    for note in response.notes:
        name = type(note).__name__
        if note.level in (levels.BAD, levels.WARN) and name not in OPINIONS | several:
            yield note.level.name, f"{name}: {note.summary}"


def fields(pairs):
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


main()
