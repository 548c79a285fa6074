"""Batches on GPUs that are not there: dealt out, halved where memory is short, done by others after a failure."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

import gpucodec
from gpucodec.backends import executors
from gpucodec.codecs.base import Codec, EncodeRequest
from gpucodec.codecs.registry import codecs_for
from gpucodec.codecs.running import Encoding, portions_of
from gpucodec.dicom.coding import Encoded
from gpucodec.errors import DeviceError, DeviceMemoryError, DeviceWarning, ParameterError
from gpucodec.frames import FrameBatch, FrameSpec
from tests.device import cupy_stand_in as cupy
from tests.device.machine import Machine

NewMachine = Callable[..., Machine]
RLE, HTJ2K = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.201"
FRAMES = (np.arange(12 * 16 * 20).reshape(12, 16, 20) * 7 % 1009).astype(np.uint16)
SPEC = FrameSpec.from_array(FRAMES)


@pytest.fixture(scope="module")
def expected() -> dict[str, list[bytes]]:
    return {uid: gpucodec.encode_frames(FRAMES, uid, backend="cpu") for uid in (RLE, HTJ2K)}


def codec_of(uid: str) -> Codec:
    return next(codec for codec in codecs_for(uid) if codec.backend == "cuda")


@pytest.fixture
def make(new_machine: NewMachine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Machine]:
    """Make a machine that has been tried, and memory for batches of so many frames as the codecs say."""

    def make_machine(num_devices: int, batch: int, schedule: str = "random", **keywords: int) -> Machine:
        made = new_machine(num_devices, schedule, **keywords)
        assert len(executors("cuda")) == num_devices
        num_bytes = made.devices[0].memory // 3 // (batch + 1)
        for uid in (RLE, HTJ2K):
            monkeypatch.setattr(type(codec_of(uid)), "device_bytes", lambda codec, request: num_bytes)
        return made

    return make_machine


@pytest.mark.parametrize("uid", [RLE, HTJ2K])
def test_batches_are_dealt_out_to_all_devices(make: NewMachine, expected: Any, uid: str) -> None:
    machine = make(2, 2)
    before = [len(device.streams) for device in machine.devices]
    assert gpucodec.encode_frames(FRAMES, uid, backend="cuda") == expected[uid]
    assert all(len(device.streams) > count for device, count in zip(machine.devices, before, strict=True))
    decoded = gpucodec.decode_frames(expected[uid], uid, spec=SPEC, backend="cuda")
    np.testing.assert_array_equal(decoded, FRAMES)


@pytest.mark.parametrize("steps", [0, 1, 5, 9, 20, 40])
def test_the_work_of_a_device_that_fails_is_done_by_the_other(make: NewMachine, expected: Any, steps: int) -> None:
    machine = make(2, 2, seed=steps)
    machine.devices[1].fail_after(steps)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert gpucodec.encode_frames(FRAMES, RLE, backend="cuda") == expected[RLE]
    found = [str(warning.message) for warning in told if warning.category is DeviceWarning]
    assert len(found) <= (machine.devices[1].failure is not None)  # it may fail when all is done
    assert all("GPU 1" in message and "illegal memory access" in message for message in found)
    assert steps > 5 or found


def test_the_failure_of_the_last_device_is_the_error(make: NewMachine) -> None:
    machine = make(2, 2)
    for device in machine.devices:
        device.fail_after(3)
    with pytest.warns(DeviceWarning), pytest.raises(DeviceError, match="illegal memory access"):
        gpucodec.encode_frames(FRAMES, RLE, backend="cuda")


@pytest.mark.parametrize(("uid", "memory"), [(RLE, 20_000), (HTJ2K, 2_600_000)])
def test_what_does_not_fit_is_halved_and_the_size_kept(make: NewMachine, expected: Any, uid: str, memory: int) -> None:
    machine = make(1, 12)
    job = Encoding(EncodeRequest(uid, SPEC, len(FRAMES)), "cuda")
    assert job.batch_frames >= 12
    machine.devices[0].limit = memory
    done = job.run(
        portions_of(FrameBatch(FRAMES, SPEC), job),
        lambda portion: (portion, None),
        lambda codestreams, choice, _: Encoded(codestreams, choice),
    )
    assert [codestream for part in done for codestream in part.codestreams] == expected[uid]
    assert job.batch_frames < 12
    decoded = gpucodec.decode_frames(expected[uid], uid, spec=SPEC, backend="cuda")
    np.testing.assert_array_equal(decoded, FRAMES)


def test_a_frame_that_does_not_fit_is_the_error(make: NewMachine) -> None:
    machine = make(1, 12)
    machine.devices[0].limit = 2000
    with pytest.raises(DeviceMemoryError, match="has not the memory"):
        gpucodec.encode_frames(FRAMES, RLE, backend="cuda")


@pytest.mark.parametrize("batch", [3, 12])
def test_an_array_on_a_device_is_encoded_without_a_round_trip(make: NewMachine, expected: Any, batch: int) -> None:
    machine = make(2, batch, "others first")
    with cupy.cuda.Device(1):
        frames = cupy.asarray(FRAMES)
        sent = len(machine.copies["to device"])
        assert gpucodec.encode_frames(frames, RLE, backend="cuda") == expected[RLE]
    assert max([*machine.copies["to device"][sent:], 0]) < FRAMES[0].nbytes
    assert not machine.devices[0].used
    with pytest.raises(ParameterError, match="GPU 1, but GPU 0 is the current"):
        gpucodec.encode_frames(frames, RLE, backend="cuda")


@pytest.mark.parametrize(("uid", "batch"), [(RLE, 2), (RLE, 5), (RLE, 12), (HTJ2K, 5)])
@pytest.mark.parametrize("schedule", ["late", "others first", "random"])
def test_frames_are_left_on_the_device(make: NewMachine, expected: Any, uid: str, batch: int, schedule: str) -> None:
    machine = make(1, batch, schedule)
    frames = gpucodec.decode_frames(expected[uid], uid, spec=SPEC, backend="cuda", output="cupy")
    assert isinstance(frames, cupy.ndarray)
    assert FRAMES[:batch].nbytes not in machine.copies["to host"]
    np.testing.assert_array_equal(frames.get(), FRAMES)


def multi_frame_file(folder: Path) -> Path:
    ds = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    ds.NumberOfFrames, ds.Rows, ds.Columns = FRAMES.shape
    ds.PixelRepresentation = 0
    for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue", "PixelPaddingValue"):
        ds.pop(keyword, None)
    ds.PixelData = FRAMES.tobytes()
    path = folder / "source.dcm"
    ds.save_as(path)
    return path


@pytest.mark.parametrize("source", ["native", "compressed"])
def test_a_device_that_fails_is_in_the_report_and_the_file_is_done(
    make: NewMachine, tmp_path: Path, source: str
) -> None:
    path = multi_frame_file(tmp_path)
    if source == "compressed":
        gpucodec.transcode(path, tmp_path / "between.dcm", "htj2k", backend="cpu")
        path = tmp_path / "between.dcm"
    machine = make(2, 2)
    machine.devices[1].fail_after(4)
    with pytest.warns(DeviceWarning, match="GPU 1"):
        report = gpucodec.transcode(path, tmp_path / "out.dcm", "rle", backend="cuda", max_memory=200_000)
    (file,) = report.files
    assert (file.status, file.error, file.verified, file.backend) == ("done", "", True, "cuda")
    assert "GPU 1: " in file.device_failures[0]
    assert file.to_dict()["device_failures"] == file.device_failures
    written = pydicom.dcmread(tmp_path / "out.dcm")
    np.testing.assert_array_equal(written.pixel_array, FRAMES)
