"""The scoreboard: one cache line of eight u64 per slot, shared with front and supervisor."""

import mmap

HEADER_CELLS = 8
SLOT_CELLS = 8

PID, STATE, REQUEST, STARTED, DONE, CANCEL, THREAD = range(7)
FREE, STARTING, SERVING, LEAVING = range(4)

#: The eight cells of one slot. Stores of whole, aligned u64: a reader never sees half of one.
Cells = "memoryview[int]"


class Scoreboard:
    """The mapped memory; every worker inherits the mapping across its fork."""

    def __init__(self, descriptor: int, slots: int) -> None:
        size = (HEADER_CELLS + slots * SLOT_CELLS) * 8
        self._memory = mmap.mmap(descriptor, size)
        if self._memory[:8] != b"HOTCLUB1":
            raise ValueError("the scoreboard does not begin with HOTCLUB1")
        self._cells = memoryview(self._memory).cast("Q")
        self.slots = slots

    def cells(self, slot: int) -> "memoryview[int]":
        if not 0 <= slot < self.slots:
            raise ValueError(f"slot {slot} is not in a scoreboard of {self.slots} slots")
        start = HEADER_CELLS + slot * SLOT_CELLS
        return self._cells[start : start + SLOT_CELLS]
