"""Things given to wsgi.file_wrapper that are not simply a whole file: the path chooses one."""

import gzip
import io
import tempfile

TEXT = b"0123456789" * 10


def plain():
    file = tempfile.TemporaryFile()
    file.write(TEXT)
    file.seek(0)
    return file


def moved():
    file = plain()
    file.read(95)
    return file


def unbuffered():
    file = tempfile.TemporaryFile(buffering=0)
    file.write(TEXT)
    file.seek(90)
    return file


def zipped():
    file = tempfile.NamedTemporaryFile()
    file.write(gzip.compress(TEXT))
    file.flush()
    return gzip.open(file.name)


def named():
    file = tempfile.NamedTemporaryFile()
    file.write(TEXT)
    file.seek(90)
    return file


WAYS = {
    "plain": plain,
    "moved": moved,
    "unbuffered": unbuffered,
    "zipped": zipped,
    "named": named,
    "memory": lambda: io.BytesIO(TEXT),
    "empty": tempfile.TemporaryFile,
}


def application(environ, start_response):
    _, way, *length = environ["PATH_INFO"].split("/")
    headers = [("Content-Type", "text/plain")]
    if length:
        headers.append(("Content-Length", length[0]))
    write = start_response("200 OK", headers)
    if environ["QUERY_STRING"] == "write":
        write(b"written")
    return environ["wsgi.file_wrapper"](WAYS[way]())
