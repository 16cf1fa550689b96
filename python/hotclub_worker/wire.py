"""The layout of queue messages and reply frames (docs/worker-protocol.md). No I/O."""

from struct import Struct

PROTOCOL = 1
HEADER_LEN = 32
#: Larger than any message the front sends (192 KiB).
MESSAGE_ROOM = 256 * 1024
#: Largest stretch of a body put into one frame, so that the front can pass it on while more comes.
PART_MAX = 512 * 1024
#: Largest head of an answer, in bytes.
HEAD_MAX = 256 * 1024

# Both directions use eight fields of the same sizes:
# message: kind, flags, lane, environ length, request id, body length, queued at
# frame: kind, flags, status, head length, request id, body length, started at
HEADER = Struct("<BBHIQQQ")
FILE_OFFSET = Struct("<Q")

REQUEST, MARKER = 1, 2
BODY_BY_DESCRIPTOR = 1

HEAD, BODY, FILE, ABORT = 1, 2, 3, 4
END = 1
