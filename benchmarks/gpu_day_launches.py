"""Watches a device's launches, and does each again on the CPU to compare what the two wrote."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from gpucodec_kernels.target import BlockKernel, Kernel, launch

from benchmarks.kernel_replay import run_block
from benchmarks.kernel_report import gpu_kernels
from gpucodec import backends
from gpucodec.backends import Executor

__all__ = ["Parity", "Tally", "device_path", "kernel_names", "watched"]

# A block is done again in plain Python, a thread at a time, and so is an index of a kernel that is laid out for GPUs
# alone: a few of a launch must do.
_IN_PYTHON = 6
_FOR_GPUS = ("ht.decode_threads.read_quads_of_codeblocks",)
# What float32 arithmetic of the 9/7 wavelet and of the irreversible component transform may differ by where a GPU fuses
# multiplications and additions: a few units in the last place of the largest value, and 1 where it was rounded since.
_FLOAT32_ROUNDING = 16 * 2.0**-24
_FLOAT64_ROUNDING = 2.0**-40
_ROUNDED = ("97", "irreversible")
# A block coder's working memory: what is left there depends on the target's instructions.
_SCRATCH = {
    "ebcot.encode_apart": ("words", "symbols"),
    "ebcot.decode": ("words", "symbols"),
    "ht.encode": ("words",),
}

Launch = Callable[..., None]


def kernel_names() -> dict[int, str]:
    """Return the qualified name of each kernel that a GPU launches, by the kernel's identity."""
    return {id(kernel): name for name, kernel in gpu_kernels()}


class _Pretended(Executor):
    """The simulator, which codecs take for a GPU: they choose what they choose there."""

    samples_per_index = 1

    def __init__(self) -> None:
        super().__init__("cuda")

    def launch(self, kernel: Any, count: int, *arguments: Any) -> None:
        launch("simulator", kernel, count, *arguments)


@contextmanager
def device_path(backend: str) -> Iterator[tuple[Executor, str]]:
    """Let codecs go the GPU's way, in the simulator too; yield what runs kernels and the backend of the codecs."""
    if backend != "simulator":
        where = backends.executors(backend)[0]
        with where.active():
            yield where, backend
        return
    pretended = _Pretended()
    with patch.object(backends, "executors", lambda _: (pretended,)):
        yield pretended, "cuda"


@contextmanager
def watched(where: Executor, see: Callable[[Launch, Kernel, int, tuple[Any, ...]], None]) -> Iterator[None]:
    """Have ``see(launch, kernel, count, arguments)`` called in place of each launch; it must launch."""
    original = where.launch
    with patch.object(where, "launch", lambda kernel, count, *arguments: see(original, kernel, count, arguments)):
        yield


@dataclass
class Tally:
    """What was found of one kernel.

    Parameters
    ----------
    launches, compared : int
        How often it was launched, and how often that was done again on the CPU.
    differing : int
        Launches whose results are not what they must be.
    largest : float
        The largest difference that rounding explains.
    detail : str
        Of the first launch that differs.
    """

    launches: int = 0
    compared: int = 0
    differing: int = 0
    largest: float = 0.0
    detail: str = ""


@dataclass
class Parity:
    """Compares what kernels write on a device with what they write on the CPU.

    Parameters
    ----------
    where : Executor
        The device.
    is_over : callable
        Whether there is no time left to compare.
    most, most_in_python : int
        How many launches of each kernel are compared between two calls of `begin`, on the whole and of those that are
        done again in plain Python.
    """

    where: Executor
    is_over: Callable[[], bool] = lambda: False
    most: int = 1 << 30
    most_in_python: int = 4
    tallies: dict[str, Tally] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=kernel_names)
    _compared: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        """Compare each kernel again as often as that is allowed."""
        self._compared.clear()

    def see(self, original: Launch, kernel: Kernel, count: int, arguments: tuple[Any, ...]) -> None:
        """Launch a kernel on the device, and again on the CPU with copies of the same arguments."""
        name = self.names.get(id(kernel), kernel.__name__)
        tally = self.tallies.setdefault(name, Tally())
        tally.launches += 1
        most = min(self.most, self.most_in_python) if _in_python(name, kernel) else self.most
        if count == 0 or self._compared[name] >= most or self.is_over():
            original(kernel, count, *arguments)
            return
        before = [self._on_host(argument) for argument in arguments]
        original(kernel, count, *arguments)
        after = [self._on_host(argument) for argument in arguments]
        expected, whole = _done_again(name, kernel, count, before)
        rounded = any(mark in name for mark in _ROUNDED)
        tally.compared += 1
        self._compared[name] += 1
        scratch = _SCRATCH.get(name.rpartition(".")[0], ())
        problems = []
        for given, there, here, old in zip(kernel.argument_names, after, expected, before, strict=True):
            if isinstance(here, np.ndarray) and given not in scratch:
                difference, problem = _compared(there, here, old, whole=whole, rounded=rounded)
                tally.largest = max(tally.largest, difference)
                problems += [f"{given}: {problem}"] if problem else []
        if problems:
            tally.differing += 1
            tally.detail = tally.detail or f"{count} indices: {'; '.join(problems)}"

    def _on_host(self, argument: Any) -> Any:
        if not hasattr(argument, "dtype") or not getattr(argument, "ndim", 0):
            return argument
        host = argument if isinstance(argument, np.ndarray) else self.where.download(argument)
        return np.array(host)

    def as_dict(self) -> dict[str, Any]:
        """Return all for JSON."""
        return {name: dataclasses.asdict(tally) for name, tally in sorted(self.tallies.items())}


def _in_python(name: str, kernel: Kernel) -> bool:
    return isinstance(kernel, BlockKernel) or name in _FOR_GPUS


def _done_again(name: str, kernel: Kernel, count: int, arguments: list[Any]) -> tuple[list[Any], bool]:
    """Return the arguments after the kernel ran on the CPU, and whether all of it ran: in plain Python a part does."""
    copies = [argument.copy() if isinstance(argument, np.ndarray) else argument for argument in arguments]
    if not _in_python(name, kernel):
        launch("cpu", kernel, count, *copies)
        return copies, True
    given = [
        argument if convert is None else convert(argument)
        for argument, convert in zip(copies, kernel.converters(), strict=True)
    ]
    for index in np.unique(np.linspace(0, count - 1, min(count, _IN_PYTHON)).astype(int)).tolist():
        if isinstance(kernel, BlockKernel):
            run_block(kernel, index, given)
        else:
            with np.errstate(all="ignore"):
                kernel.python(np.int32(index), *given)
    return copies, count <= _IN_PYTHON


def _compared(
    there: npt.NDArray[Any], here: npt.NDArray[Any], before: npt.NDArray[Any], *, whole: bool, rounded: bool
) -> tuple[float, str]:
    """Compare what a device wrote with what the CPU wrote; unless it did all, where it wrote something.

    Returns
    -------
    tuple of float and str
        The largest difference that rounding explains, and what is wrong.
    """
    there, here, before = (array.reshape(-1) for array in (there, here, before))
    bits = f"u{here.dtype.itemsize}"
    unequal = there.view(bits) != here.view(bits)
    if not whole:
        unequal &= here.view(bits) != before.view(bits)
    at = np.flatnonzero(unequal)
    if not at.size:
        return 0.0, ""
    first = int(at[0])
    problem = f"{at.size} of {here.size} differ, first [{first}]: {there[first]} instead of {here[first]}"
    if here.dtype.kind != "f" and not rounded:
        return 0.0, problem
    with np.errstate(all="ignore"):
        gap = float(np.max(np.abs(there[at].astype(np.float64) - here[at].astype(np.float64))))
        allowed = _explained(here, before)
    return (gap, "") if gap <= allowed else (0.0, f"{problem}; by up to {gap:g}, rounding explains {allowed:g}")


def _explained(here: npt.NDArray[Any], before: npt.NDArray[Any]) -> float:
    """Return by how much rounding may change the largest value that was written."""
    if here.dtype.kind != "f":
        return 1.0
    bits = f"u{here.dtype.itemsize}"
    written = here[here.view(bits) != before.view(bits)]
    unit = _FLOAT32_ROUNDING if here.dtype.itemsize == 4 else _FLOAT64_ROUNDING
    return unit * float(np.max(np.abs(written.astype(np.float64)), initial=0.0))
