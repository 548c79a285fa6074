"""Batches of one job through the codec that is chosen for it, on all the devices that the codec works on.

Each batch is loaded (made, and copied in), computed (its kernels are launched) and stored (its bytes come out), and
on a device these overlap, see `gpucodec.pipeline`. How many frames a batch has follows from the memory that the devices
have free: three batches share it. Where that was too many after all, batches are halved, and stay so.
"""

from __future__ import annotations

import dataclasses
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from gpucodec.backends import Executor, Mark, executors
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.buffers import load_codestreams
from gpucodec.codecs.dispatch import Choice, choose, refuse
from gpucodec.errors import DeviceError, DeviceWarning, KernelCompilationError
from gpucodec.frames import FrameBatch
from gpucodec.pipeline import AHEAD, PipelineStoppedError, run_pipeline

__all__ = ["CodestreamBatch", "Decoding", "Encoding", "Portion", "Running", "Span", "part_of", "portions_of"]

_ON_DEVICE = ("cuda", "nvjpeg2k", "simulator")

Request = TypeVar("Request", bound=EncodeRequest | DecodeRequest)
Given = TypeVar("Given")
Made = TypeVar("Made")
Result = TypeVar("Result")


class Portion(Protocol):
    """Consecutive frames of a job in whatever form, from which a batch is made; see also `part_of`."""

    def __len__(self) -> int:
        """Return the number of frames."""


@dataclass(frozen=True, slots=True)
class CodestreamBatch:
    """The codestreams of consecutive frames.

    Parameters
    ----------
    codestreams : sequence of bytes
        One a frame.
    first_frame : int
        Index in its file of the batch's first frame, from 0.
    """

    codestreams: Sequence[bytes]
    first_frame: int = 0

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.codestreams)

    def part(self, begin: int, end: int) -> CodestreamBatch:
        """Return those of some of the frames, counted from the batch's first."""
        return CodestreamBatch(self.codestreams[begin:end], self.first_frame + begin)


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive frames of what is held elsewhere.

    Parameters
    ----------
    first_frame, count : int
        The first one, from 0, and how many they are.
    """

    first_frame: int
    count: int

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.count

    def part(self, begin: int, end: int) -> Span:
        """Return some of the frames, counted from the span's first."""
        return Span(self.first_frame + begin, end - begin)


def part_of(portion: Any, begin: int, end: int) -> Any:
    """Return some frames of a batch, or of another portion by its method `part`; counted from its first."""
    if isinstance(portion, FrameBatch):
        return FrameBatch(portion.frames[begin:end], portion.spec, portion.first_frame + begin)
    return portion.part(begin, end)


def portions_of(whole: Any, job: Running[Any, Any, Any]) -> Iterator[Any]:
    """Yield a batch, or another portion, in parts as large as a job takes them."""
    begin = 0
    while begin < len(whole):
        end = min(begin + job.batch_frames, len(whole))
        if end - begin == len(whole):
            yield whole
            return
        yield part_of(whole, begin, end)
        begin = end


@dataclass(slots=True)
class _Loaded(Generic[Given]):
    given: Given
    there: Given  # the same where the kernels run
    companion: Any
    mark: Mark


@dataclass(slots=True)
class _Begun(Generic[Given, Made]):
    finish: Callable[[], Made]
    choice: Choice
    loaded: _Loaded[Given]  # what the kernels read must stay until they are done
    mark: Mark


class Running(ABC, Generic[Request, Given, Made]):
    """A job that is done batch by batch.

    Parameters
    ----------
    request : EncodeRequest or DecodeRequest
        The whole job: its `num_frames` decides which codec it is worth.
    backend : str
        ``"auto"`` or the name of one.
    most_frames : int
        How many frames a batch may have on account of the host.
    device : int, optional
        The number of the GPU that must do it, if a GPU does; any if not given.

    Attributes
    ----------
    batch_frames : int
        How many frames the next batch should have; it becomes smaller when a device has not the memory.
    failures : list of str
        The devices that failed while there were others, each with what happened.

    Raises
    ------
    ParameterError, UnsupportedError, BackendUnavailableError
        If no codec can do it.
    """

    def __init__(
        self, request: Request, backend: str = "auto", most_frames: int = 1 << 30, device: int | None = None
    ) -> None:
        self.request: Request = request
        self.backend = backend
        self._choice = choice = choose(request, backend)
        self.on_device = choice.codec.backend in _ON_DEVICE
        found = executors(choice.codec.backend if self.on_device else "cpu")
        self.workers = [where for where in found if device in (None, where.device)] or list(found[:1])
        self.batch_frames = min(most_frames, _fitting(self.workers, choice.codec, request))
        self.failures: list[str] = []
        self._ready: Mark | None = None

    def run(
        self,
        portions: Iterable[Portion],
        prepare: Callable[[Any], tuple[Given, Any]],
        conclude: Callable[[Made, Choice, Any], Result],
        *,
        stop: threading.Event | None = None,
        threads: bool = True,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Iterator[Result]:
        """Do the job and yield what comes of each batch, in order.

        Parameters
        ----------
        portions : iterable
            What batches are made of; it should heed `batch_frames`. Parts of them are done apart where a device has
            not the memory for the whole.
        prepare : callable
            Returns what the codec takes, and whatever should go along with it; called in the load stage.
        conclude : callable
            Makes the result of what the codec made, its choice, and what went along; called in the store stage.
        stop : threading.Event, optional
            Once set, the work is given up with a `PipelineStoppedError`.
        threads : bool
            False where stages need not overlap, as for a single batch.
        around : callable
            Returns a context for what the codec does, and for `conclude`.
        """

        def load(where: Executor, portion: Portion) -> _Loaded[Given]:
            return self._load(where, *prepare(portion))

        def compute(where: Executor, loaded: _Loaded[Given]) -> _Begun[Given, Made]:
            with around():
                return self._compute(where, loaded)

        def store(where: Executor, begun: _Begun[Given, Made]) -> Result:
            with around():
                made, begun = self._store(where, begun)
                return conclude(made, begun.choice, begun.loaded.companion)

        if not threads and not self.on_device:  # nothing that could be split or left out
            host = self.workers[0]
            return _one_by_one(portions, lambda portion: store(host, compute(host, load(host, portion))), stop)
        return run_pipeline(
            portions, load, compute, store, workers=self.workers, split=self._split, stop=stop,
            on_failure=self._tell, threads=threads,
        )  # fmt: skip

    def _load(self, where: Executor, given: Given, companion: Any) -> _Loaded[Given]:
        if self._ready is not None:
            where.follow(self._ready)
        there = self._copied_in(where, given) if self.on_device else given
        return _Loaded(given, there, companion, where.mark())

    def _compute(self, where: Executor, loaded: _Loaded[Given]) -> _Begun[Given, Made]:
        where.follow(loaded.mark)
        while True:
            choice = self._choice if self._is_usual(loaded.given) else choose(self._asked(loaded.given), self.backend)
            given = loaded.there if choice.codec.backend in _ON_DEVICE else loaded.given
            try:
                return _Begun(self._begin(choice.codec, given), choice, loaded, where.mark())
            except KernelCompilationError as error:
                self._refuse(choice, error)

    def _refuse(self, choice: Choice, error: KernelCompilationError) -> None:
        """Go on with the next codec, if the caller left the choice to us."""
        refuse(choice.codec, isinstance(self.request, EncodeRequest), error, self.backend)
        self._choice = choose(self.request, self.backend)

    def _store(self, where: Executor, begun: _Begun[Given, Made]) -> tuple[Made, _Begun[Given, Made]]:
        while True:
            where.follow(begun.mark)
            try:
                return begun.finish(), begun
            except KernelCompilationError as error:
                self._refuse(begun.choice, error)
            begun = self._compute(where, begun.loaded)

    def _split(self, portion: Portion) -> list[Any]:
        middle = len(portion) // 2
        if not middle:
            return []
        self.batch_frames = max(1, min(self.batch_frames, middle))
        return [part_of(portion, 0, middle), part_of(portion, middle, len(portion))]

    def _tell(self, where: Executor, error: DeviceError) -> None:
        self.failures.append(f"GPU {where.device}: {error}")
        warnings.warn(
            f"GPU {where.device} is not used any more, its frames are done by the others: {error}",
            DeviceWarning,
            stacklevel=2,
        )

    def _is_usual(self, given: Given) -> bool:  # noqa: ARG002
        """Whether the codec of the whole job does a batch, whatever is in it."""
        return True

    def _asked(self, given: Given) -> Request:  # noqa: ARG002
        """Return the request that decides which codec does a batch."""
        return self.request

    @abstractmethod
    def _copied_in(self, where: Executor, given: Given) -> Given:
        """Return a batch with its bytes where the kernels run."""

    @abstractmethod
    def _begin(self, codec: Codec, given: Given) -> Callable[[], Made]:
        """Let a codec begin with a batch."""


class Encoding(Running[EncodeRequest, FrameBatch, list[bytes]]):
    """Frames to codestreams; batches may be on the host or on a device, those of one job all alike."""

    def wait_for_caller(self) -> None:
        """Let the work begin after what the calling thread's stream was asked for: it made the frames."""
        self._ready = self.workers[0].mark()

    def _copied_in(self, where: Executor, given: FrameBatch) -> FrameBatch:
        return dataclasses.replace(given, frames=where.upload(given.frames))

    def _begin(self, codec: Codec, given: FrameBatch) -> Callable[[], list[bytes]]:
        if codec.backend not in _ON_DEVICE and hasattr(given.frames, "__cuda_array_interface__"):
            given = dataclasses.replace(given, frames=given.frames.get())
        return codec.begin_encode(given, dataclasses.replace(self.request, num_frames=len(given)))


class Decoding(Running[DecodeRequest, CodestreamBatch, FrameBatch]):
    """Codestreams to frames, as the codestreams hold them."""

    def _is_usual(self, given: CodestreamBatch) -> bool:
        return given.codestreams is self.request.codestreams  # otherwise there may be something unusual in them

    def _asked(self, given: CodestreamBatch) -> DecodeRequest:
        return dataclasses.replace(self.request, codestreams=given.codestreams, first_frame=given.first_frame)

    def _copied_in(self, where: Executor, given: CodestreamBatch) -> CodestreamBatch:
        return CodestreamBatch(load_codestreams(where, given.codestreams), given.first_frame)

    def _begin(self, codec: Codec, given: CodestreamBatch) -> Callable[[], FrameBatch]:
        request = dataclasses.replace(self._asked(given), num_frames=len(given))
        return codec.begin_decode(given.codestreams, request)


def _fitting(workers: Sequence[Executor], codec: Codec, request: EncodeRequest | DecodeRequest) -> int:
    """Return how many frames a batch may have so that those on their way fit any of the devices."""
    free = [memory for where in workers if (memory := where.free_memory()) is not None]
    if not free:
        return 1 << 30
    return max(1, min(free) // AHEAD // max(1, codec.device_bytes(request)))


def _one_by_one(
    portions: Iterable[Portion], code: Callable[[Portion], Result], stop: threading.Event | None
) -> Iterator[Result]:
    for portion in portions:
        if stop is not None and stop.is_set():
            raise PipelineStoppedError("Interrupted")
        yield code(portion)
