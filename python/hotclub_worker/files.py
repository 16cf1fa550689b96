"""Bodies as files: `wsgi.input` and `wsgi.file_wrapper`."""

import io
import os
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, Optional

BLOCK = 64 * 1024
_PLAIN_FILES = (io.BufferedReader, io.BufferedRandom)
#: Packages whose file objects only hand through to a `file` of theirs.
_HOLDERS = ("tempfile", "django.core.files", "django.db.models.fields.files")


class Stretch(NamedTuple):
    """A part of a regular file that is a body, or the rest of one."""

    descriptor: int
    offset: int
    length: int


def open_body(descriptor: int) -> BinaryIO:
    """A request body that came as a descriptor: a complete regular file, read from its start."""
    return open(descriptor, "rb", buffering=BLOCK)


class FileWrapper:
    """`wsgi.file_wrapper` (PEP 3333, "Optional Platform-Specific File Handling")."""

    def __init__(self, filelike: Any, block_size: int = BLOCK) -> None:
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        read, size = self.filelike.read, self.block_size
        while True:
            data = read(size)
            if not data:
                return
            yield data

    def stretch(self) -> Optional[Stretch]:
        """What of a regular file is left to read; None when it must be read through Python.

        Only objects that are known to read their descriptor's bytes as they are count: a GzipFile
        has a descriptor too, with other bytes in it.
        """
        file = _plain_file(self.filelike)
        if file is None:
            return None
        try:
            descriptor = file.fileno()
            info = os.fstat(descriptor)
            offset = file.tell()
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(info.st_mode):
            return None
        return Stretch(descriptor, offset, max(info.st_size - offset, 0))


def _plain_file(thing: Any) -> Any:
    for _ in range(4):
        if type(thing) is io.FileIO:
            return thing
        if type(thing) in _PLAIN_FILES:
            return thing if type(thing.raw) is io.FileIO else None
        if not type(thing).__module__.startswith(_HOLDERS):
            return None
        try:
            thing = getattr(thing, "file", None)
        except Exception:  # a FieldFile without a file raises
            return None
    return None
