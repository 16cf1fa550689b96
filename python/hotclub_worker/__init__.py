"""The Python side of Hotclub: a fork server and workers that run a WSGI app.

Standard library only, CPython 3.9 and later. The protocol is in docs/worker-protocol.md.

    __main__     how it is started; keeps this folder out of the app's sys.path
    control      messages with the supervisor (JSON and descriptors)
    fork_server  imports the app, forks workers, reports their lives
    load         finds and imports the app, describes why that failed
    django_hook  what is done to Django's settings, between loading and setup()
    worker       a worker's process: descriptors, signals, threads, leaving
    wsgi         the loop: one message of the queue, one request
    answer       start_response, write() and the frames of one answer
    head         what an app may put into a head
    files        request bodies, wsgi.file_wrapper
    wire, board  the layout of frames and of the scoreboard
    report       lines on standard error
"""

__version__ = "0.1.0"
