"""nvJPEG2000's shared library itself, as far as it goes without a GPU: parsing, configurations, and saying no."""

import shutil
import subprocess
from ctypes import Structure, byref, c_uint32, c_void_p, memset, sizeof
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames

from gpucodec import backends
from gpucodec.codecs.base import EncodeRequest
from gpucodec.codecs.formats import Family, get_format
from gpucodec.codecs.jpeg2000 import encode_frames
from gpucodec.codecs.options import EncodeOptions
from gpucodec.codestream.j2k_parameters import CodeblockStyle, CodingParameters, ProgressionOrder
from gpucodec.codestream.j2k_reader import read_codestream
from gpucodec.errors import BackendUnavailableError, CodestreamError, GpucodecError, UnsupportedError
from gpucodec.frames import FrameBatch, FrameSpec
from gpucodec.libraries import nvjpeg2k_abi as abi
from gpucodec.libraries import nvjpeg2k_library
from gpucodec.libraries.nvjpeg2k_config import Configuration, codestream_limits, configuration_for, encode_limits
from gpucodec.libraries.nvjpeg2k_library import Handles, Library, load
from tests.libraries.nvjpeg2k_stand_in import StandIn, StandInExecutor

LOSSLESS, LOSSY, HT = (f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201))
PYDICOM_FILES = (
    "693_J2KR.dcm",
    "693_J2KI.dcm",
    "JPEG2000.dcm",
    "MR_small_jp2klossless.dcm",
    "examples_jpeg2k.dcm",
    "emri_small_jpeg_2k_lossless.dcm",
    "US1_J2KR.dcm",
    "US1_J2KI.dcm",
    "RG1_J2KR.dcm",
    "J2K_pixelrep_mismatch.dcm",
)
GUARD = 0xEE


@pytest.fixture(scope="module")
def library():
    try:
        return load()
    except BackendUnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def handles(library):
    handles = Handles(library)
    yield handles
    assert handles.close() == []


@pytest.fixture
def parse(library, handles):
    """Parse a codestream without its boxes, and return the bitstream handle."""
    root = handles.create("nvjpeg2k")

    def parsed(codestream):
        bitstream = handles.create("nvjpeg2kStream")
        content = np.frombuffer(codestream, np.uint8)
        library.call("nvjpeg2kStreamParse", root, content.ctypes.data, content.size, 0, 0, bitstream)
        return bitstream

    return parsed


def image_info(library, bitstream, num_components):
    info = abi.ImageInfo()
    library.call("nvjpeg2kStreamGetImageInfo", bitstream, byref(info))
    components = (abi.ComponentInfo * num_components)()
    for index in range(num_components):
        library.call("nvjpeg2kStreamGetImageComponentInfo", bitstream, byref(components[index]), index)
    return info, components


def assert_alike(library, bitstream, codestream):
    size = read_codestream(codestream).size
    info, components = image_info(library, bitstream, len(size.components))
    tiles = (size.tiles_across, size.tiles_down)
    assert (info.image_width, info.image_height, info.num_components) == (size.columns, size.rows, len(components))
    assert (info.num_tiles_x, info.num_tiles_y) == tiles
    if tiles > (1, 1):
        assert (info.tile_width, info.tile_height) == (size.tile_width, size.tile_height)
    for found, expected in zip(components, size.components, strict=True):
        assert (found.component_width, found.component_height) == (size.columns, size.rows)
        assert (found.precision, bool(found.sgn)) == (expected.precision, expected.is_signed)


# -- loading


def test_the_version_is_that_of_the_wheel(library):
    found = {}
    for wheel in ("nvidia-nvjpeg2k-cu12", "nvidia-nvjpeg2k-cu13"):
        try:
            found[wheel] = version(wheel)
        except PackageNotFoundError:
            continue
    if not found:
        pytest.skip("no wheel of nvJPEG2000 is installed, the system's library was loaded")
    assert any(number.startswith(library.version()) for number in found.values())
    built_for = library.version("nvjpeg2kGetCudartProperty").partition(".")[0]
    assert any(wheel.endswith(built_for) for wheel in found)


@pytest.fixture
def load_anew():
    load.cache_clear()
    yield load
    load.cache_clear()


def test_a_missing_library_is_named_with_its_cure(monkeypatch, load_anew):
    monkeypatch.setattr(nvjpeg2k_library, "_of_wheels", lambda: iter(()))
    monkeypatch.setattr(nvjpeg2k_library, "_of_system", lambda: iter(["libnvjpeg2k_that_is_nowhere.so.0"]))
    reason = nvjpeg2k_library.why_unavailable()
    assert reason.startswith("nvJPEG2000 was not found (libnvjpeg2k_that_is_nowhere.so.0: ")
    assert "install gpucodec[cuda12] or gpucodec[cuda13]" in reason


def test_a_file_that_is_no_library_is_named(monkeypatch, load_anew, tmp_path):
    path = tmp_path / "libnvjpeg2k.so.0"
    path.write_bytes(b"not a library")
    monkeypatch.setattr(nvjpeg2k_library, "_of_wheels", lambda: iter([str(path)]))
    monkeypatch.setattr(nvjpeg2k_library, "_of_system", lambda: iter(()))
    assert str(path) in nvjpeg2k_library.why_unavailable()


def test_an_old_library_is_named_with_what_it_lacks():
    old = StandIn(StandInExecutor())
    del old.nvjpeg2kEncodeParamsSpecifyQuality
    with pytest.raises(BackendUnavailableError, match="has no nvjpeg2kEncodeParamsSpecifyQuality, it is too old"):
        Library(old, "old")


def test_the_device_is_asked_after_the_library(monkeypatch, library):
    monkeypatch.setattr(nvjpeg2k_library, "why_no_device", lambda: "no GPU, buy one")
    assert nvjpeg2k_library.why_unavailable() == "no GPU, buy one"


def test_states_that_cannot_be_created_are_a_reason_with_a_cure(monkeypatch):
    stand_in = StandIn(StandInExecutor(), fails_at=1, status=abi.Status.EXECUTION_FAILED)
    monkeypatch.setattr(nvjpeg2k_library, "load", lambda: Library(stand_in, "stand-in"))
    monkeypatch.setattr(nvjpeg2k_library, "why_no_device", lambda: "")
    reason = nvjpeg2k_library.why_unavailable()
    assert "nvjpeg2kDecodeStateCreate returned EXECUTION_FAILED (6)" in reason
    assert "built for CUDA 12.9.0, update the driver" in reason
    assert stand_in.live == {}


def test_states_that_can_be_created_are_destroyed_again(monkeypatch):
    stand_in = StandIn(StandInExecutor())
    monkeypatch.setattr(nvjpeg2k_library, "load", lambda: Library(stand_in, "stand-in"))
    monkeypatch.setattr(nvjpeg2k_library, "why_no_device", lambda: "")
    assert nvjpeg2k_library.why_unavailable() == ""
    assert set(stand_in.made) == {"", "DecodeState", "Encoder", "EncodeState"}
    assert (stand_in.live, stand_in.faults) == ({}, [])


def test_without_a_gpu_states_are_refused_by_name(library, handles):
    if not backends.why_no_device():
        pytest.skip("there is a GPU")
    for kind, root in (("nvjpeg2kDecodeState", "nvjpeg2k"), ("nvjpeg2kEncodeState", "nvjpeg2kEncoder")):
        with pytest.raises(GpucodecError, match=rf"{kind}Create returned EXECUTION_FAILED \(6\)"):
            handles.create(kind, handles.create(root))


# -- structures


def header_folder():
    for wheel in ("nvidia-nvjpeg2k-cu12", "nvidia-nvjpeg2k-cu13"):
        try:
            found = [file.locate() for file in files(wheel) or () if file.name == "nvjpeg2k.h"]
        except PackageNotFoundError:
            continue
        if found:
            return Path(str(found[0])).parent
    return pytest.skip("no wheel of nvJPEG2000 with its header is installed")


STRUCTURES = {
    "nvjpeg2kImageComponentInfo_t": abi.ComponentInfo,
    "nvjpeg2kImageInfo_t": abi.ImageInfo,
    "nvjpeg2kImage_t": abi.Image,
    "nvjpeg2kEncodeConfig_t": abi.EncodeConfig,
}
CONSTANTS = {
    "NVJPEG2K_STATUS_": abi.Status,
    "NVJPEG2K_COLORSPACE_": abi.ColorSpace,
    "NVJPEG2K_": abi.ImageType,
    "NVJPEG2K_FORMAT_": abi.ImageFormat,
    "NVJPEG2K_STREAM_": abi.StreamType,
    "NVJPEG2K_QUALITY_TYPE_": abi.QualityType,
    "NVJPEG2K_ ": ProgressionOrder,
}


def test_structures_and_constants_are_those_of_the_header(tmp_path):
    compiler = shutil.which("cc") or pytest.skip("there is no C compiler")
    expected = {"NVJPEG2K_MAXRES": abi.MAX_RESOLUTIONS, "NVJPEG2K_RSIZ_HT": abi.HT_CAPABILITY}
    expected |= {"NVJPEG2K_MODE_HT": abi.HT_MODE}
    for prefix, constants in CONSTANTS.items():
        expected |= {prefix.strip() + constant.name: constant.value for constant in constants}
    for name, structure in STRUCTURES.items():
        expected[f"sizeof({name})"] = sizeof(structure)
        expected |= {f"offsetof({name}, {field})": getattr(structure, field).offset for field, _ in structure._fields_}
    lines = [f'printf("%ld\\n", (long)({expression}));' for expression in expected]
    source = tmp_path / "sizes.c"
    includes = '#include <stdio.h>\n#include <stddef.h>\n#include "nvjpeg2k.h"\n'
    source.write_text(f"{includes}int main(void) {{ {' '.join(lines)} return 0; }}\n")
    flags = ["-D_NVJPEG2K_DISABLE_CUDA_TOOLKIT_HEADERS", f"-I{header_folder()}"]
    subprocess.run([compiler, *flags, str(source), "-o", str(tmp_path / "sizes")], check=True)
    printed = subprocess.run([str(tmp_path / "sizes")], check=True, capture_output=True, text=True).stdout.split()
    assert dict(zip(expected, map(int, printed), strict=True)) == expected


@pytest.mark.parametrize("structure", [abi.ImageInfo, abi.ComponentInfo])
def test_structures_are_filled_to_their_end_and_no_further(library, parse, structure):
    class Guarded(Structure):
        _fields_ = (("inside", structure), ("guard", c_uint32 * 8))

    guarded = Guarded()
    memset(byref(guarded), GUARD, sizeof(guarded))
    bitstream = parse(bytes(imagecodecs.htj2k_encode(np.zeros((40, 50), "i2"))))
    name, *more = ("ImageInfo",) if structure is abi.ImageInfo else ("ImageComponentInfo", 0)
    library.call(f"nvjpeg2kStreamGet{name}", bitstream, byref(guarded.inside), *more)
    values = [getattr(guarded.inside, field) for field, _ in structure._fields_]
    assert values == ([50, 40, 50, 40, 1, 1, 1] if structure is abi.ImageInfo else [50, 40, 16, 1])
    assert bytes(guarded.guard) == bytes([GUARD]) * 32


# -- parsing


@pytest.mark.parametrize("name", PYDICOM_FILES)
def test_codestreams_of_files_are_read_as_by_our_own_reader(library, parse, name):
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"pydicom's {name} is not installed")
    ds = dcmread(path)
    frames = list(generate_frames(ds.PixelData, number_of_frames=int(getattr(ds, "NumberOfFrames", 1))))
    for frame in frames[:3]:
        codestream = frame[read_codestream(frame).codestream_offset :]
        assert codestream_limits(read_codestream(codestream)) == []
        assert_alike(library, parse(codestream), codestream)


def own(shape=(64, 80), dtype="u1", bits=8, **parameters):
    frames = np.random.default_rng(3).integers(0, 1 << (bits - 1), (1, *shape)).astype(dtype)
    batch = FrameBatch(frames, FrameSpec.from_array(frames, bits_stored=bits))
    return encode_frames(batch, CodingParameters(**parameters))[0]


def layers(count):
    return {"psnr": tuple(10.0 + index for index in range(count)), "reversible": False}


@pytest.mark.parametrize(
    "codestream",
    [
        *(lambda order=order: own(progression_order=order) for order in ProgressionOrder),
        lambda: own(dtype="u2", bits=16),
        lambda: own(dtype="i2", bits=12),
        lambda: own((64, 80, 3), component_transform=True),
        lambda: own((64, 80, 4)),
        lambda: own(reversible=False, psnr=(35.0,)),
        lambda: own(**layers(32)),
        lambda: own(sop=True, eph=True, plt=True, tlm=True),
        lambda: own(precincts=((5, 5), (6, 7))),
        lambda: own(codeblock_style=CodeblockStyle.PREDICTABLE_TERMINATION),
        lambda: own(codeblock_width_exponent=7, codeblock_height_exponent=2),
        lambda: own((1, 1), levels=0),
        *(lambda dtype=dtype: imagecodecs.htj2k_encode(np.ones((40, 50), dtype)) for dtype in ("u1", "u2", "i2")),
        lambda: imagecodecs.htj2k_encode(np.ones((40, 50, 3), "u1")),
        lambda: imagecodecs.htj2k_encode(np.ones((40, 50), "u1"), 1.0, reversible=False),
        lambda: imagecodecs.htj2k_encode(np.ones((99, 77), "u1"), tile=(32, 64)),
    ],
)
def test_what_may_be_decoded_is_parsed_as_by_our_own_reader(library, parse, codestream):
    content = bytes(codestream())
    assert codestream_limits(read_codestream(content)) == []
    assert_alike(library, parse(content), content)


def shifted(codestream):
    """Begin image and tiles at (2, 1) of the reference grid."""
    content = bytearray(codestream)
    words = np.frombuffer(content, ">u4", 8, 8)
    words[:] = [words[0] + 1, words[1] + 2, 1, 2, words[4], words[5], 1, 2]
    return bytes(content)


def with_byte(codestream, offset, value):
    content = bytearray(codestream)
    content[offset] = value
    return bytes(content)


@pytest.mark.parametrize(
    ("codestream", "word"),
    [
        (lambda: own(**layers(33)), "33 quality layers"),
        (lambda: own(codeblock_style=CodeblockStyle.BYPASS), "style 0x01"),
        (lambda: own(codeblock_style=CodeblockStyle.SEGMENTATION_SYMBOLS), "style 0x20"),
        (lambda: own(codeblock_width_exponent=8, codeblock_height_exponent=2), "256 columns"),
        (lambda: own(dtype="u4", bits=17), "17 bits"),
    ],
)
def test_what_the_library_refuses_is_told_beforehand(parse, codestream, word):
    content = codestream()
    assert word in "; ".join(codestream_limits(read_codestream(content)))
    with pytest.raises(UnsupportedError, match="nvjpeg2kStreamParse returned JPEG_NOT_SUPPORTED"):
        parse(content)


@pytest.mark.parametrize(
    ("codestream", "word"),
    [
        (lambda: shifted(own()), "offsets on the reference grid other than 0"),
        (lambda: own(dtype="i1", bits=8), "signed samples of 8"),
        (lambda: with_byte(own((64, 80, 3)), 43, 2), "subsampled"),
        (lambda: with_byte(own((64, 80, 3)), 42, 6), "differ in precision"),
    ],
)
def test_what_the_library_would_parse_and_not_decode_into_a_frame_is_told_beforehand(codestream, word):
    assert word in "; ".join(codestream_limits(read_codestream(codestream())))


@pytest.mark.parametrize("wrong", [lambda data: b"junk" + data, lambda data: data[:60], lambda data: data[:2]])
def test_wrong_codestreams_are_called_so(parse, wrong):
    with pytest.raises(CodestreamError, match=r"nvjpeg2kStreamParse returned BAD_JPEG \(3\)"):
        parse(wrong(own()))


# -- configurations


def applied(library, configuration):
    handles = Handles(library)
    try:
        configuration.apply(library, handles.create("nvjpeg2kEncodeParams"))
    finally:
        assert handles.close() == []


def request_of(uid, rows, columns, **spec):
    psnr = {} if get_format(uid).lossless else {"j2k_psnr": (40.0,)}
    return EncodeRequest(uid, FrameSpec(rows, columns, **spec), 1, EncodeOptions(**psnr))


@pytest.mark.parametrize("uid", [LOSSLESS, LOSSY, HT])
@pytest.mark.parametrize("size", [(2, 2), (2, 300), (17, 31), (512, 512), (65535, 40)])
@pytest.mark.parametrize(
    "spec",
    [
        {"bits_stored": 1},
        {"bits_stored": 8},
        {"bits_allocated": 16, "bits_stored": 9, "pixel_representation": 1},
        {"bits_allocated": 16, "bits_stored": 16},
        {"samples_per_pixel": 3, "photometric_interpretation": "RGB"},
        {"samples_per_pixel": 3, "photometric_interpretation": "YBR_RCT"},
        {"samples_per_pixel": 3, "photometric_interpretation": "YBR_FULL"},
        {"samples_per_pixel": 4, "photometric_interpretation": "CMYK"},
    ],
)
def test_configurations_are_taken(library, uid, size, spec):
    request = request_of(uid, *size, **spec)
    assert encode_limits(request) == []
    applied(library, configuration_for(request))


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        ({"rows": 1}, {"levels": 0}),
        ({}, {"levels": 0, "psnr": (30.0, 40.0), "reversible": False}),
        ({}, {"high_throughput": True, "reversible": False, "psnr": (40.0,)}),
        ({"rows": 16}, {"levels": 5}),
    ],
    ids=["one row", "layers", "psnr of ht", "levels"],
)
def test_what_is_said_no_to_is_refused_by_the_library(library, spec, parameters):
    configuration = Configuration(FrameSpec(**({"rows": 64, "columns": 80} | spec)), CodingParameters(**parameters))
    with pytest.raises(GpucodecError, match=r"INVALID_PARAMETER|JPEG_NOT_SUPPORTED"):
        applied(library, configuration)


def test_both_families_have_the_codec():
    from gpucodec.codecs.registry import codecs_for
    from gpucodec.libraries.nvjpeg2k import codecs

    assert [codec.name for codec in codecs_for(LOSSLESS) if codec.backend == "nvjpeg2k"] == ["nvjpeg2000"]
    assert [codec.name for codec in codecs_for(HT) if codec.backend == "nvjpeg2k"] == ["nvjpeg2000"]
    assert codecs(Family.RLE) == []


def test_handles_that_are_not_destroyed_are_told():
    stand_in = StandIn(StandInExecutor(), fails_at=1)
    handles = Handles(Library(stand_in, "stand-in"))
    assert isinstance(handles.create("nvjpeg2kStream"), c_void_p)
    assert handles.close() == ["nvjpeg2kStreamDestroy returned INTERNAL_ERROR (8): an unknown error in the library"]


@pytest.mark.gpu
@pytest.mark.parametrize("uid", [LOSSLESS, HT])
@pytest.mark.parametrize(("dtype", "samples"), [("u1", ()), ("u2", ()), ("i2", ()), ("u1", (3,)), ("u1", (4,))])
def test_on_a_gpu_frames_come_back_and_peers_read_them(uid, dtype, samples):
    from gpucodec.codecs.base import DecodeRequest
    from gpucodec.libraries.nvjpeg2k import Nvjpeg2kCodec

    if reason := backends.why_unavailable("nvjpeg2k"):
        pytest.skip(reason)
    limits = np.iinfo(dtype)
    frames = np.random.default_rng(5).integers(limits.min, limits.max + 1, (9, 130, 97, *samples)).astype(dtype)
    spec, codec = FrameSpec.from_array(frames), Nvjpeg2kCodec()
    codestreams = codec.encode_batch(FrameBatch(frames, spec), EncodeRequest(uid, spec, 9))
    for codestream, frame in zip(codestreams, frames, strict=True):
        np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(codestream), frame)
    np.testing.assert_array_equal(codec.decode_batch(codestreams, DecodeRequest(uid, spec, 9)).frames, frames)
