"""The memory of the machine that executes PTX: bounded, and watched for accesses that only happen in one order.

Two threads race for an element if both touch it in one launch, at least one writes, and no barrier of their block
lies between. Reading shared memory that no thread of the block has written is a fault as well.
"""

from __future__ import annotations

from array import array as typed_array
from collections.abc import Sequence
from typing import Any

import numpy as np

BASE = 0x7_1000_0000  # above 32 bits, so that an address cut to them is found
_GAP = 256  # between arrays, so that what overruns one does not reach the next
_MANY = 0xFFFF  # in place of a thread's number: several
_SOMEWHERE = 0x7FFFFF  # in place of a block's number: several
_NOBODY = -1


class FaultError(Exception):
    """A thread did what no correct kernel does."""


def token(block: int, epoch: int, thread: int) -> int:
    """Return one number for a thread of a block between two barriers."""
    return (block << 40) | (epoch << 16) | thread


def _ordered(one: int, other: int) -> bool:
    """Whether two accesses, by token, cannot happen in another order than they did."""
    if one == other:
        return one & 0xFFFF != _MANY
    block = one >> 40
    if block != other >> 40 or block == _SOMEWHERE:
        return False
    same_thread = (one ^ other) & 0xFFFF == 0 and one & 0xFFFF != _MANY
    return same_thread or (one ^ other) >> 16 != 0  # a barrier of the block lies between


def _together(one: int, other: int) -> int:
    """Return the token of two readers."""
    if one in (_NOBODY, other):
        return other
    if one >> 40 != other >> 40:
        return token(_SOMEWHERE, 0, _MANY)
    return other if (one ^ other) >> 16 else (one & ~0xFFFF) | _MANY


class Memory:
    """Arrays side by side, each with its bounds, its elements' last writers and readers."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.granularity = bytearray()  # bytes of an element; 0 where there is none
        self.names: list[tuple[int, str]] = []
        self.now = 0
        self.writers = typed_array("q")
        self.readers = typed_array("q")
        self.written: bytearray | None = None
        self.shared = range(0)

    def allocate(self, contents: bytes, granularity: int, name: str) -> int:
        """Place some bytes and return their address."""
        begin = -(-len(self.data) // _GAP) * _GAP + _GAP
        self.data.extend(bytes(begin - len(self.data)) + contents)
        self.granularity.extend(bytes(begin - len(self.granularity)) + bytes([granularity]) * len(contents))
        self.names.append((begin, name))
        return BASE + begin

    def allocate_shared(self, size: int) -> int:
        """Place a block's shared memory and return its address."""
        address = self.allocate(bytes(size), 4, "shared memory")
        self.shared = range(address - BASE, address - BASE + size)
        return address

    def begin(self) -> None:
        """Forget who touched what: a launch begins."""
        size = len(self.data)
        self.writers = typed_array("q", [_NOBODY]) * size
        self.readers = typed_array("q", [_NOBODY]) * size
        self.written = bytearray(b"\1") * size
        self.forget_shared()

    def forget_shared(self) -> None:
        """Make shared memory what it is when a block begins: anything."""
        begin, end = self.shared.start, self.shared.stop
        size = end - begin
        self.data[begin:end] = b"\xa5" * size
        if self.written is not None:
            self.written[begin:end] = bytes(size)
            self.writers[begin:end] = typed_array("q", [_NOBODY]) * size
            self.readers[begin:end] = typed_array("q", [_NOBODY]) * size

    def _describe(self, at: int) -> str:
        begin, name = max((entry for entry in self.names if entry[0] <= at), default=(0, "no array"))
        thread, block = self.now & 0xFFFF, self.now >> 40
        return f"byte {at - begin} from the begin of {name}, by thread {thread} of block {block}"

    def _elements(self, at: int, size: int) -> range:
        """Check that some bytes are of elements of an array, and return where these begin."""
        if not 0 <= at <= len(self.data) - size or not self.granularity[at] or not self.granularity[at + size - 1]:
            raise FaultError(f"an access of {size} bytes outside of every array: {self._describe(at)}")
        if (at + BASE) % size:
            raise FaultError(f"a misaligned access of {size} bytes: {self._describe(at)}")
        step = self.granularity[at]
        return range(at - at % step, at + size, step)  # the compiler may read a byte of a word

    def load(self, address: int, size: int) -> int:
        """Return the unsigned number at an address."""
        at = address - BASE
        for element in self._elements(at, size):
            writer = self.writers[element]
            if writer != _NOBODY and not _ordered(writer, self.now):
                raise FaultError(f"a race: read what another thread wrote, {self._describe(element)}")
            if not self.written[element]:  # type: ignore[index]
                raise FaultError(f"read before anything was written there: {self._describe(element)}")
            reader = self.readers[element]
            if reader != self.now:
                self.readers[element] = _together(reader, self.now)
        return int.from_bytes(self.data[at : at + size], "little")

    def store(self, address: int, value: int, size: int) -> None:
        """Write an unsigned number to an address."""
        at = address - BASE
        for element in self._elements(at, size):
            writer, reader = self.writers[element], self.readers[element]
            if writer != _NOBODY and not _ordered(writer, self.now):
                raise FaultError(f"a race: wrote what another thread wrote, {self._describe(element)}")
            if reader not in (_NOBODY, self.now) and not _ordered(reader, self.now):
                raise FaultError(f"a race: wrote what another thread read, {self._describe(element)}")
            self.writers[element] = self.now
            self.written[element] = 1  # type: ignore[index]
        self.data[at : at + size] = value.to_bytes(size, "little")


class Placed:
    """NumPy arrays copied into a memory; those that share memory on the host share it there too."""

    def __init__(self, memory: Memory, arrays: Sequence[np.ndarray[Any, Any]]) -> None:
        self.memory, self.arrays = memory, arrays
        self.addresses = [0] * len(arrays)
        spans = sorted((array.ctypes.data, array.ctypes.data + array.nbytes, k) for k, array in enumerate(arrays))
        groups: list[list[int]] = []
        end_of_group = -1
        for begin, end, number in spans:
            if begin >= end_of_group or not arrays[number].nbytes:
                groups.append([])
                end_of_group = end
            groups[-1].append(number)
            end_of_group = max(end_of_group, end)
        for group in groups:
            self._place(group)

    def _place(self, group: list[int]) -> None:
        members = [self.arrays[number] for number in group]
        begin = min(array.ctypes.data for array in members)
        end = max(array.ctypes.data + array.nbytes for array in members)
        granularity = min(array.itemsize for array in members)
        begin -= begin % 16  # keep what alignment the host's memory has
        offset = members[0].ctypes.data - begin if len(members) == 1 else 0
        contents = bytearray(end - begin)
        for member in members:
            at = member.ctypes.data - begin
            contents[at : at + member.nbytes] = member.tobytes()
        name = "argument " + " and ".join(str(number) for number in group)
        address = self.memory.allocate(bytes(contents), granularity, name)
        if offset:  # what lies before the only array is no part of it
            place = address - BASE
            self.memory.granularity[place : place + offset] = bytes(offset)
        for number, array in zip(group, members, strict=True):
            self.addresses[number] = address + array.ctypes.data - begin

    def copy_back(self) -> None:
        """Write to the NumPy arrays what is in the memory now."""
        for target, address in zip(self.arrays, self.addresses, strict=True):
            if target.nbytes:
                at = address - BASE
                found = np.frombuffer(self.memory.data[at : at + target.nbytes], target.dtype)
                target.reshape(-1)[...] = found
