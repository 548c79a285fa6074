"""Contests between the CPU and a device: the same work, checked, and none in the way of another."""

from collections.abc import Sequence

import numpy as np
import pytest

from gpucodec.codecs import calibrating, dispatch
from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.calibrating import Measured, as_calibration, calibrate, num_contests
from gpucodec.codecs.crossing import Crossing, Point
from gpucodec.codecs.rle import RleCodec
from gpucodec.errors import DeviceError, KernelCompilationError
from gpucodec.frames import FrameBatch


class Device(RleCodec):
    """The CPU's codec under a device's name, which may fail."""

    name = "pretended"

    def __init__(self) -> None:
        super().__init__("cpu")
        self.backend = "cuda"
        self.cpu = RleCodec("cpu")
        self.error: Exception | None = None
        self.wrong = False

    def why_not_encode(self, request: EncodeRequest) -> list[str]:
        return []

    def why_not_decode(self, request: DecodeRequest) -> list[str]:
        return []

    def encode_batch(self, batch: FrameBatch, request: EncodeRequest) -> list[bytes]:
        if self.error:
            raise self.error
        return self.cpu.encode_batch(batch, request)

    def decode_batch(self, codestreams: Sequence[bytes], request: DecodeRequest) -> FrameBatch:
        found = self.cpu.decode_batch(codestreams, request)
        return FrameBatch(found.frames ^ 1, found.spec) if self.wrong else found


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device()
    codecs = {calibrating._UIDS["rle"]: (made, made.cpu)}
    monkeypatch.setattr(calibrating, "codecs_for", lambda uid: codecs.get(uid, ()))
    monkeypatch.setattr(dispatch, "_refused", {})
    return made


def test_both_directions_are_measured_in_turn(device: Device) -> None:
    said: list[str] = []
    found = calibrate(["cuda"], sizes=(512, 2048), said=said.append)
    assert said == ["cuda rle encode", "cuda rle decode"]
    assert num_contests(["cuda"]) == 2
    assert num_contests(["cuda"], ["jpegls"]) == num_contests(["nvjpeg2k"]) == 0
    assert all(len(each.crossing.points) == 2 for each in found)
    assert all(point.cpu > 0 < point.device for each in found for point in each.crossing.points)


def test_what_is_wrong_is_not_measured(device: Device) -> None:
    device.wrong = True
    encode, decode = calibrate(["cuda"], sizes=(512,))
    assert encode.crossing is not None
    assert decode.crossing is None
    assert "is wrong" in decode.verdict


@pytest.mark.parametrize("kind", [DeviceError, KernelCompilationError])
def test_what_fails_is_told_and_the_rest_measured(device: Device, kind: type[Exception]) -> None:
    device.error = kind("no such instruction")
    encode, decode = calibrate(["cuda"], sizes=(512,))
    assert (encode.crossing, encode.verdict) == (None, "no such instruction")
    assert decode.crossing is not None
    assert bool(dispatch._refused) == (kind is KernelCompilationError)


def test_time_is_shared_among_what_is_left(device: Device) -> None:
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 1.0
        return now

    found = calibrate(["cuda"], sizes=[4096 << step for step in range(6)], seconds=40.0, clock=clock)
    assert now < 150
    assert all(2 <= len(each.crossing.points) < 6 for each in found)


def test_what_must_be_compiled_takes_no_time_from_the_others(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    now, shares = 0.0, []

    def compile_first(contest, num_bytes) -> None:
        nonlocal now
        now += 1000.0

    def measure(race, sizes, *, clock, seconds):
        nonlocal now
        now += 5.0
        shares.append(seconds)
        return Crossing(0, True, ())

    monkeypatch.setattr(calibrating._Contest, "check", compile_first)
    monkeypatch.setattr(calibrating, "find_crossing", measure)
    calibrate(["cuda"], seconds=60.0, clock=lambda: now)
    assert shares == [30.0, 55.0]


@pytest.mark.parametrize("num_bytes", [128, 4096, 524_288, 2_097_152])
def test_batches_have_about_the_bytes_that_are_asked_for(num_bytes: int) -> None:
    batch = calibrating._frames(num_bytes)
    assert 0.8 * num_bytes <= batch.frames.nbytes <= num_bytes
    assert batch.frames.max() < 4096
    if len(batch) > 1:
        assert not np.array_equal(batch.frames[0], batch.frames[1])


def test_only_what_is_clear_is_kept() -> None:
    points = (Point(4096, 2.0, 1.0), Point(1 << 26, 2.0, 1.0))
    measured = [
        Measured("cuda", "rle", True, Crossing(20_000, True, points)),
        Measured("cuda", "rle", False, Crossing(None, True, points)),
        Measured("cuda", "jpegls", True, Crossing(0, True, points)),
        Measured("cuda", "htj2k", True, Crossing(None, False, points)),
        Measured("nvjpeg2k", "htj2k", True, problem="no memory"),
    ]
    assert [each.verdict for each in measured] == [
        "from 20 KB on",
        "never: the CPU was faster up to 67.1 MB",
        "always: from 4.1 KB on, the smallest that was tried",
        "not clear in the time there was, the default stays",
        "no memory",
    ]
    kept = as_calibration(measured, 8)
    assert (kept.threads, kept.date.count("-")) == (8, 2)
    assert kept.thresholds == {"cuda rle encode": 20_000, "cuda rle decode": None, "cuda jpegls encode": 0}


@pytest.mark.kernel
def test_the_simulator_can_be_measured_to_the_end() -> None:
    from gpucodec_kernels.target import simulator_enabled

    if not simulator_enabled():
        pytest.skip("this process does not run the simulator")
    found = calibrate(["simulator"], families=["rle"], sizes=(64, 128))
    assert [each.problem for each in found] == ["", ""]
    assert all(each.crossing.num_bytes is None for each in found)  # Python, index by index
