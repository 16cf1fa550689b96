"""Answers when the FIFO that the query names was opened for writing and closed again."""


def application(environ, start_response):
    with open(environ["QUERY_STRING"], "rb") as fifo:
        fifo.read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"open"]
