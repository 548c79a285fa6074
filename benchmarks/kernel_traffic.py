"""What a kernel's launch moves between a GPU and its memory, found by running the kernel's plain Python function.

The arrays that the function is given log every element it reads or writes, and a model makes bytes of the log.

What is moved
    Device memory is moved in sectors of 32 bytes. A sector that a thread block reads is counted once for that block,
    and one that it writes once more: what the first-level cache, which writes through, catches inside a block, and
    nothing between blocks. Threads of a kernel that is a function of an index are in blocks of 128, in their order.
    The second-level cache is left out, and so is what the first-level cache is too small for: a block that comes back
    to a sector late is taken to find it there. `asked` are the bytes of all reads and writes, no cache at all.
The least possible
    Each byte that the launch needs read once, and each that somebody needs of it written once. It needs what it reads
    before it has written it; needed of it is what a later launch, or the host, reads before it is written again.
    Scratch memory, which a launch writes and reads itself, is therefore moved but not in the least. The bytes are
    counted packed: for each array as many whole sectors as they would fill.

Shared memory, tables that are compiled into a kernel, and its scalar arguments are not device memory's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["SECTOR_BYTES", "CountedArray", "Launch", "Log", "settle"]

SECTOR_BYTES = 32
_ALL_BYTES = (1 << SECTOR_BYTES) - 1

# An entry of the log: the address, five bits; below it the element's size in bytes and whether it was written.
_ADDRESS_SHIFT = 5
_SIZE_SHIFT = 1
_SIZE_MASK = 15


class CountedArray:
    """A one-dimensional array in device memory that logs each element read or written.

    Parameters
    ----------
    array : numpy.ndarray
        The elements.
    address : int
        Where the first lies in device memory.
    entries : list of int
        The log.
    """

    __slots__ = ("_address", "_array", "_entries", "_size")

    def __init__(self, array: npt.NDArray[Any], address: int, entries: list[int]) -> None:
        self._array = array
        self._address = address
        self._size = array.itemsize
        self._entries = entries
        if address % self._size:
            raise ValueError(f"An array of elements of {self._size} bytes begins at {address}, which is not aligned")

    def __len__(self) -> int:
        """Return the number of elements."""
        return len(self._array)

    def __getitem__(self, key: Any) -> Any:
        """Return an element, or a part that logs as well."""
        if isinstance(key, slice):
            begin, end, step = key.indices(len(self._array))
            if step != 1:
                raise ValueError("A part of an array must be contiguous")
            return CountedArray(self._array[begin:end], self._address + begin * self._size, self._entries)
        at = self._checked(key)
        self._entries.append((self._address + at * self._size) << _ADDRESS_SHIFT | self._size << _SIZE_SHIFT)
        return self._array[at]

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write an element."""
        at = self._checked(key)
        self._entries.append((self._address + at * self._size) << _ADDRESS_SHIFT | self._size << _SIZE_SHIFT | 1)
        self._array[at] = value

    def _checked(self, key: Any) -> int:
        at = index(key)
        if not 0 <= at < len(self._array):
            raise IndexError(f"Element {at} of an array of {len(self._array)}")
        return at

    def view(self, dtype: Any) -> CountedArray:
        """Return the same memory as elements of another type."""
        return CountedArray(self._array.view(dtype), self._address, self._entries)


@dataclass
class Launch:
    """One launch, counted.

    `inputs` and `outputs` map each array's sector to a mask of its bytes: those read before this launch wrote them,
    and those written. `settle` strikes out of `outputs` what nobody reads, and finds `least`.
    """

    kernel: str
    count: int
    moved: int = 0
    asked: int = 0
    least: int = 0
    inputs: tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]] = field(default_factory=lambda: _no_sectors())
    outputs: tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]] = field(default_factory=lambda: _no_sectors())


def _no_sectors() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    return np.empty(0, np.int64), np.empty(0, np.uint32)


class Log:
    """What the thread blocks of a launch read and write; `entries` is what its arrays log into."""

    def __init__(self) -> None:
        self.entries: list[int] = []
        self._before: list[npt.NDArray[np.int64]] = []
        self._moved = 0
        self._asked = 0

    def end_block(self) -> None:
        """Count what was logged since the last block's end as one block's."""
        entries = np.array(self.entries, np.int64)
        self.entries.clear()
        self._asked += int(((entries >> _SIZE_SHIFT) & _SIZE_MASK).sum())
        sectors = (entries >> _ADDRESS_SHIFT) // SECTOR_BYTES << 1 | (entries & 1)
        self._moved += SECTOR_BYTES * len(np.unique(sectors))
        self._before.append(_firsts(entries))

    def finish(self, kernel: str, count: int) -> Launch:
        """Return the launch, of which all blocks have ended."""
        addresses, is_write = _bytes_of(_firsts(np.concatenate([np.empty(0, np.int64), *self._before])))
        written = np.unique(addresses[is_write])
        _, first = np.unique(addresses, return_index=True)
        read = addresses[first][~is_write[first]]
        return Launch(kernel, count, self._moved, self._asked, 0, _masks(read), _masks(written))


def _firsts(entries: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the first of all equal entries, in their order."""
    _, first = np.unique(entries, return_index=True)
    return entries[np.sort(first)]


def _bytes_of(entries: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the address of each byte of each entry, and whether it is written."""
    sizes = (entries >> _SIZE_SHIFT) & _SIZE_MASK
    begins = np.repeat(np.cumsum(sizes) - sizes, sizes)
    addresses = np.repeat(entries >> _ADDRESS_SHIFT, sizes) + np.arange(int(sizes.sum())) - begins
    return addresses, np.repeat(entries & 1, sizes).astype(bool)


def _masks(addresses: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    """Return the sectors of ascending addresses, and the bytes in each."""
    if not len(addresses):
        return _no_sectors()
    sectors, begins = np.unique(addresses // SECTOR_BYTES, return_index=True)
    bits = np.uint32(1) << (addresses % SECTOR_BYTES).astype(np.uint32)
    return sectors, np.bitwise_or.reduceat(bits, begins)


def settle(events: Sequence[Launch | tuple[int, int]], begins: npt.NDArray[np.int64]) -> None:
    """Find what is the least that each launch can move.

    Parameters
    ----------
    events : sequence
        Launches and what the host reads, in their order; the latter as an address and a number of bytes.
    begins : numpy.ndarray
        The first sector of each array in device memory, ascending.
    """
    launches = [event for event in events if isinstance(event, Launch)]
    parts = [part for launch in launches for part in (launch.inputs[0], launch.outputs[0])]
    known = np.unique(np.concatenate([np.empty(0, np.int64), *parts]))
    needed = np.zeros(len(known), np.uint32)
    for event in reversed(events):
        if not isinstance(event, Launch):
            first, last = event[0] // SECTOR_BYTES, (event[0] + event[1] - 1) // SECTOR_BYTES
            needed[np.searchsorted(known, first) : np.searchsorted(known, last, "right")] = _ALL_BYTES
            continue
        written, read = (np.searchsorted(known, part[0]) for part in (event.outputs, event.inputs))
        used = event.outputs[1] & needed[written]
        needed[written] &= ~event.outputs[1]
        needed[read] |= event.inputs[1]
        event.outputs = (event.outputs[0], used)
        event.least = _packed(event.inputs, begins) + _packed(event.outputs, begins)


def _packed(part: tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]], begins: npt.NDArray[np.int64]) -> int:
    """Return the bytes of the sectors that the bytes of each array fill."""
    arrays = np.searchsorted(begins, part[0], "right")
    sizes = np.bincount(arrays, _bits_set(part[1]), len(begins) + 1).astype(np.int64)
    return SECTOR_BYTES * int((-(-sizes // SECTOR_BYTES)).sum())


def _bits_set(masks: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    counts: npt.NDArray[np.int64] = np.unpackbits(masks.view(np.uint8).reshape(-1, 4), axis=1).sum(
        axis=1, dtype=np.int64
    )
    return counts
