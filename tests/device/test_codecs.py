"""Whole codecs on a GPU that is not there: the bytes and samples of the CPU, whatever is early or late."""

from __future__ import annotations

import numpy as np
import pytest

import gpucodec

RLE, JPEGLS, JPEGLS_NEAR = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
J2K, J2K_LOSSY = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HTJ2K, HTJ2K_LOSSY = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.203"
CASES = [
    (RLE, (3, 20, 30), "u2", {}),
    (RLE, (2, 9, 14, 3), "u1", {}),
    (JPEGLS, (3, 20, 30), "u2", {"bits_stored": 12}),
    (JPEGLS, (2, 9, 14, 3), "u1", {}),
    (JPEGLS_NEAR, (2, 20, 30), "i2", {"bits_stored": 12, "jls_error": 3}),
    (J2K, (3, 70, 50), "i2", {"bits_stored": 12}),
    (J2K, (2, 40, 34, 3), "u1", {"photometric_interpretation": "YBR_RCT"}),
    (J2K_LOSSY, (2, 70, 50), "u2", {"bits_stored": 12, "j2k_cr": [6, 3]}),
    (J2K_LOSSY, (2, 70, 50), "u2", {"bits_stored": 10, "j2k_psnr": [40]}),
    (HTJ2K, (3, 70, 50), "u2", {"bits_stored": 12}),
    (HTJ2K, (2, 40, 34, 3), "u1", {"photometric_interpretation": "YBR_RCT"}),
    (HTJ2K_LOSSY, (2, 70, 50), "u2", {"bits_stored": 12, "j2k_cr": [4]}),
]


def samples(shape, dtype, bits=None):
    """Return a smooth picture with noise in it, different in each frame."""
    rng = np.random.default_rng(7)
    dtype = np.dtype(dtype)
    bits = bits or 8 * dtype.itemsize
    low = -(1 << (bits - 1)) if dtype.kind == "i" else 0
    grid = np.add.outer(np.arange(shape[1]) * 3, np.arange(shape[2])) % 97
    picture = grid.reshape(1, *grid.shape, *[1] * (len(shape) - 3)) * (1 << bits) // 130
    noise = rng.integers(0, 1 << (bits - 2), shape)
    return (low + (picture + noise) % (1 << bits)).astype(dtype)


@pytest.mark.parametrize(("uid", "shape", "dtype", "keywords"), CASES)
def test_codestreams_and_frames_are_those_of_the_cpu(machine, uid, shape, dtype, keywords):
    frames = samples(shape, dtype, keywords.get("bits_stored"))
    expected = gpucodec.encode_frames(frames, uid, backend="cpu", **keywords)
    found = gpucodec.encode_frames(frames, uid, backend="cuda", **keywords)
    assert found == expected
    attributes = {name: value for name, value in keywords.items() if not name.startswith(("j2k", "jls"))}
    spec = gpucodec.FrameSpec.from_array(frames, **attributes)
    np.testing.assert_array_equal(
        gpucodec.decode_frames(expected, uid, spec=spec, backend="cuda"),
        gpucodec.decode_frames(expected, uid, spec=spec, backend="cpu"),
    )
    assert machine.launches
