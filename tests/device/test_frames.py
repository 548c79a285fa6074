"""Frames on a GPU that is not there: given as they are and left there, without a copy to the host and back."""

from __future__ import annotations

import numpy as np
import pytest

import gpucodec
from gpucodec.errors import CodestreamError
from tests.codecs.jpegls_streams import (
    APP8,
    EOI,
    SOI,
    charls,
    coded,
    frame_header,
    insert,
    mapping_table,
    scan_header,
    segment,
)
from tests.device import cupy_stand_in as cupy
from tests.device.test_codecs import CASES, HTJ2K, J2K, JPEGLS, RLE, samples


class Tensor:
    """An array of another package's on the GPU, which DLPack alone can be asked of."""

    def __init__(self, array) -> None:
        self._array = array

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()

    def __dlpack__(self, *, stream=None):
        return self._array.__dlpack__(stream=stream)


# Signed frames in a wider container, frames whose sign the codestream does not know, and colour.
LEFT_THERE = [
    (RLE, (2, 30, 40), "i2", {"bits_stored": 12}),
    (RLE, (2, 30, 40, 3), "u1", {}),
    (JPEGLS, (2, 30, 40), "i2", {"bits_stored": 12}),
    (JPEGLS, (2, 30, 40, 3), "u1", {"planar_configuration": 1}),
    (J2K, (2, 64, 48), "i2", {"bits_stored": 12}),
    (HTJ2K, (2, 40, 48, 3), "u1", {"photometric_interpretation": "YBR_RCT"}),
]


@pytest.mark.parametrize(("uid", "shape", "dtype", "attributes"), LEFT_THERE)
def test_decoded_frames_stay_on_the_gpu(late_machine, uid, shape, dtype, attributes):
    frames = samples(shape, dtype, attributes.get("bits_stored"))
    spec = gpucodec.FrameSpec.from_array(frames, **attributes)
    codestreams = gpucodec.encode_frames(frames, uid, spec=spec, backend="cpu")
    found = gpucodec.decode_frames(codestreams, uid, spec=spec, backend="cuda", output="cupy")
    assert isinstance(found, cupy.ndarray)
    assert max(late_machine.copies["to host"]) < frames[0].nbytes
    np.testing.assert_array_equal(found.get(), frames)
    gpucodec.decode_frames(codestreams, uid, spec=spec, backend="cuda")
    assert max(late_machine.copies["to host"]) == frames.nbytes


@pytest.mark.parametrize(("uid", "shape", "dtype", "keywords"), CASES[::2])
def test_frames_are_encoded_where_they_are(late_machine, uid, shape, dtype, keywords):
    frames = samples(shape, dtype, keywords.get("bits_stored"))
    copies = late_machine.copies["to device"]
    expected = gpucodec.encode_frames(frames, uid, backend="cuda", **keywords)
    assert frames.nbytes in copies
    there = cupy.asarray(frames)
    copies.clear()
    assert gpucodec.encode_frames(there, uid, backend="cuda", **keywords) == expected
    assert frames.nbytes not in copies


def test_arrays_of_other_packages_are_taken_where_they_are(late_machine):
    frames = samples((2, 70, 50), "u2", 12)
    tensor = Tensor(cupy.asarray(frames))
    late_machine.copies["to device"].clear()
    expected = gpucodec.encode_frames(frames, HTJ2K, backend="cpu", bits_stored=12)
    assert gpucodec.encode_frames(tensor, HTJ2K, backend="cuda", bits_stored=12) == expected
    assert frames.nbytes not in late_machine.copies["to device"]


def test_frames_on_the_gpu_come_back_for_a_codec_of_the_cpu(late_machine):
    frames = samples((2, 30, 40), "u2", 12)
    there = Tensor(cupy.asarray(frames))
    assert gpucodec.encode_frames(there, RLE, backend="cpu") == gpucodec.encode_frames(frames, RLE, backend="cpu")


def test_colours_first_is_read_as_it_lies(late_machine):
    frames = samples((2, 30, 40, 3), "u1")
    there = cupy.asarray(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))).transpose(0, 2, 3, 1)
    for uid in (RLE, JPEGLS, J2K):
        expected = gpucodec.encode_frames(frames, uid, backend="cpu")
        assert gpucodec.encode_frames(there, uid, backend="cuda") == expected


def decoded_both_ways(codestream, spec):
    here = gpucodec.decode_frames([codestream], JPEGLS, spec=spec, backend="cpu")
    there = gpucodec.decode_frames([codestream], JPEGLS, spec=spec, backend="cuda", output="cupy")
    return here, there.get()


@pytest.mark.parametrize("transform", [1, 2, 3])
def test_colour_transforms_of_jpegls_are_undone_there(late_machine, transform):
    (frame,) = samples((1, 13, 21, 3), "u1")
    codestream = insert(charls(frame, 8), segment(APP8, b"mrfx" + bytes((transform,))))
    here, there = decoded_both_ways(codestream, gpucodec.FrameSpec.from_array(frame[None]))
    np.testing.assert_array_equal(there, here)


def test_point_transforms_and_tables_of_jpegls_are_undone_there(late_machine):
    (frame,) = samples((1, 13, 21), "u1")
    shifted = SOI + frame_header(13, 21, 8) + scan_header(transform=3) + coded(frame >> 3, 8) + EOI
    here, there = decoded_both_ways(shifted, gpucodec.FrameSpec(13, 21))
    np.testing.assert_array_equal(there, here)
    entries = np.random.default_rng(5).integers(0, 1 << 16, 32).astype("u2")
    mapped = SOI + frame_header(13, 21, 5) + mapping_table(entries) + scan_header(tables=b"\x01")
    mapped += coded(frame >> 3, 5) + EOI
    here, there = decoded_both_ways(mapped, gpucodec.FrameSpec(13, 21, bits_allocated=16, bits_stored=16))
    np.testing.assert_array_equal(there[0], entries[frame >> 3])


def test_damage_is_told_as_on_the_cpu(machine):
    frames = samples((2, 70, 50), "u2", 12)
    spec = gpucodec.FrameSpec.from_array(frames, bits_stored=12)
    for uid in (RLE, JPEGLS, J2K, HTJ2K):
        good, cut = gpucodec.encode_frames(frames, uid, spec=spec, backend="cpu")
        codestreams = [good, cut[: len(cut) // 2]]
        told = []
        for backend in ("cpu", "cuda"):
            with pytest.raises(CodestreamError) as caught:
                gpucodec.decode_frames(codestreams, uid, spec=spec, backend=backend)
            told.append(str(caught.value))
        assert told[0] == told[1]
        assert "frame 1" in told[0]
