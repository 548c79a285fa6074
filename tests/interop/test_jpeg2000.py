"""Real pictures, coded to JPEG 2000 on kernels: OpenJPEG's bytes and cuts, decoded by GDCM and imagecodecs too."""

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import JPEG2000, JPEG2000Lossless

import gpucodec
from gpucodec import FrameSpec
from tests.interop.openjpeg_peer import decoded, encoded, psnr, without_comment
from tests.interop.reference_files import read

imagecodecs = pytest.importorskip("imagecodecs")


def picture(name):
    """Return the first frame of a file, and what it is."""
    if name == "tile":
        data = pytest.importorskip("skimage.data")
        return data.immunohistochemistry()[:256, :256].copy(), 8
    ds = read(name)
    array = ds.pixel_array
    return (array[0] if ds.get("NumberOfFrames", 1) > 1 else array), ds.BitsStored


CASES = [("CT_small.dcm", False), ("MR_small.dcm", False), ("examples_rgb_color.dcm", True), ("tile", True)]


def described(name, colour, lossless):
    frame, bits = picture(name)
    told = "MONOCHROME2" if frame.ndim == 2 else ("YBR_RCT" if lossless else "YBR_ICT") if colour else "RGB"
    return frame, FrameSpec.from_array(frame[None], bits_stored=bits, photometric_interpretation=told)


@pytest.mark.parametrize(("name", "colour"), [*CASES, ("tile", False)])
def test_lossless_pictures_have_openjpegs_bytes_and_decode_everywhere(name, colour):
    frame, spec = described(name, colour, lossless=True)
    (codestream,) = gpucodec.encode_frames(frame[None], JPEG2000Lossless, spec=spec, backend="cpu")
    assert codestream == without_comment(encoded(frame, spec))
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(codestream), frame)
    options = {field: getattr(spec, field) for field in FrameSpec.__dataclass_fields__} | {"number_of_frames": 1}
    for plugin in ("gdcm", "pylibjpeg"):
        array, _ = get_decoder(JPEG2000Lossless).as_array(
            encapsulate([codestream]), raw=True, decoding_plugin=plugin, **options
        )
        np.testing.assert_array_equal(array, frame)


@pytest.mark.parametrize(("name", "colour"), [*CASES, ("tile", False)])
@pytest.mark.parametrize("ratios", [[5], [12], [25], [30, 15, 8]], ids=str)
def test_a_ratio_gives_at_most_openjpegs_length_and_its_quality(name, colour, ratios):
    frame, spec = described(name, colour, lossless=False)
    (codestream,) = gpucodec.encode_frames(frame[None], JPEG2000, spec=spec, backend="cpu", j2k_cr=ratios)
    other = encoded(frame, spec, compression_ratios=[float(ratio) for ratio in ratios])
    assert len(codestream) <= len(other)
    assert len(codestream) <= spec.num_samples * spec.bits_stored / 8 / ratios[-1]
    quality = psnr(decoded(codestream, spec), frame, spec.bits_stored)
    assert quality >= psnr(decoded(other, spec), frame, spec.bits_stored) - 0.05
