"""Block coding against OpenJPEG: its bytes where it writes the same, its decoder where passes are cut off."""

from dataclasses import dataclass

import numpy as np
import pytest
from gpucodec_kernels.ebcot import encode, encode_apart
from gpucodec_kernels.ebcot.encode import STYLE_BYPASS, STYLE_PREDICTABLE, STYLE_TERMINATE, encode_codeblocks
from gpucodec_kernels.target import simulator_enabled
from hypothesis import given, settings
from hypothesis import strategies as st
from openjpeg import utils as openjpeg

from gpucodec.backends import Executor
from tests.reference import dwt, packets, single_codeblock

pytestmark = pytest.mark.kernel
EXAMPLES = settings(max_examples=2 if simulator_enabled() else 40, deadline=None)
on_the_cpu_alone = pytest.mark.skipif(simulator_enabled(), reason="the simulator takes minutes for it")

GUARD = 0xA5


@dataclass
class Coded:
    """What a launch wrote."""

    slots: np.ndarray
    lengths: np.ndarray
    zero_bitplanes: np.ndarray
    num_passes: np.ndarray
    pass_lengths: np.ndarray
    pass_distortions: np.ndarray
    status: np.ndarray

    def data(self, job: int) -> bytes:
        return self.slots[job, : self.lengths[job]].tobytes()


def code(
    where: Executor,
    planes: np.ndarray,
    blocks: np.ndarray,
    *,
    style: int = 0,
    fractional_bits: int = 0,
    reversible: bool = True,
    lanes: int = 2,
    slot_bytes: int | None = None,
    weight: float = 1.0,
    apart: bool | None = None,
) -> Coded:
    """Code the codeblocks of int32 planes, `apart` as GPUs do; bytes behind the last slot must stay."""
    count, rows, columns = planes.shape
    jobs, bitplanes = count * len(blocks), int(blocks[:, 5].max())
    shape = (int(blocks[:, 2].max()), int(blocks[:, 3].max()), bitplanes)
    max_passes = 3 * bitplanes - 2
    words, symbols = encode.scratch_words(*shape, fractional_bits), encode.scratch_symbols(*shape)
    slot_bytes = slot_bytes or encode.worst_slot_bytes(*shape)
    slots = where.upload(np.full(jobs * slot_bytes + 64, GUARD, np.uint8))
    lengths, zeros, passes, status = (where.empty(jobs, np.int32) for _ in range(4))
    pass_lengths, distortions = where.empty(jobs * max_passes, np.int32), where.empty(jobs * max_passes, np.float64)
    flags = encode.FLAG_DISTORTION | encode.FLAG_PASS_LENGTHS | (encode.FLAG_REVERSIBLE if reversible else 0)
    source = (
        where.upload(np.ascontiguousarray(planes, np.int32).reshape(-1)), rows * columns, columns,
        where.upload(np.ascontiguousarray(blocks, np.int32).reshape(-1)), where.upload(np.full(len(blocks), weight)),
        len(blocks), fractional_bits, style, flags,
    )  # fmt: skip
    if not where.on_host if apart is None else apart:
        words, symbols = encode_apart.scratch_words(*shape, fractional_bits), encode_apart.scratch_symbols(*shape)
        between = (where.empty(jobs * words, np.uint64), words, where.empty(jobs * symbols, np.uint8), symbols)
        where.launch(
            encode_apart.model_codeblocks, jobs, 0, *source, *between, max_passes, lengths, zeros, passes, distortions,
            status,
        )  # fmt: skip
        where.launch(
            encode_apart.code_codeblocks, jobs, 0, style, flags, *between, slots, slot_bytes, max_passes, lengths,
            pass_lengths, status,
        )  # fmt: skip
    else:
        where.launch(
            encode_codeblocks, lanes, lanes, 0, jobs, *source, where.empty(lanes * words, np.uint64), words,
            where.empty(lanes * symbols, np.uint8), symbols, slots, slot_bytes, max_passes, lengths, zeros, passes,
            pass_lengths, distortions, status,
        )  # fmt: skip
    written = where.download(slots)
    assert (written[jobs * slot_bytes :] == GUARD).all()
    arrays = [where.download(array) for array in (lengths, zeros, passes, pass_lengths, distortions, status)]
    arrays[3:5] = [array.reshape(jobs, max_passes) for array in arrays[3:5]]
    return Coded(written[: jobs * slot_bytes].reshape(jobs, slot_bytes), *arrays)


def code_one(where: Executor, block: np.ndarray, **options) -> Coded:
    """Code one codeblock of 16 magnitude bit-planes, as `single_codeblock` writes them."""
    rows, columns = block.shape
    coded = code(where, block[None], np.array([[0, 0, columns, rows, 0, 16]]), **options)
    assert coded.status[0] == encode.STATUS_OK
    return coded


def decode_passes(coded: Coded, shape: tuple[int, int], passes: int, style: int) -> np.ndarray:
    """Return what OpenJPEG makes of a codeblock's first passes."""
    segments = packets.segment_passes(passes, style)
    ends = [int(coded.pass_lengths[0, last]) for last in single_codeblock.last_passes(segments)]
    cut = single_codeblock.cut(coded.slots[0].tobytes(), segments, ends)
    codestream = single_codeblock.write_codestream(*shape[::-1], style, int(coded.zero_bitplanes[0]), cut)
    return openjpeg.decode(codestream).astype(np.int64).reshape(shape)


def picture(kind: str, rows: int, columns: int) -> tuple[np.ndarray, int]:
    """Return a picture and its precision."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[:rows, :columns]
    waves = 2000 + 1500 * np.sin(x / 13) * np.cos(y / 9)
    if kind == "smooth":
        return (waves + random.normal(0, 4, x.shape)).astype(np.uint16), 12
    if kind == "noise":
        return random.integers(-(2**15), 2**15, x.shape).astype(np.int16), 16
    if kind == "sparse":
        return np.where(random.random(x.shape) < 0.01, random.integers(0, 256, x.shape), 0).astype(np.uint8), 8
    return np.full(x.shape, 77, np.uint8), 8


@pytest.mark.parametrize("kind", ["smooth", "noise", "sparse", "flat"])
@pytest.mark.parametrize(
    ("rows", "columns"),
    [(32, 33), pytest.param(200, 333, marks=on_the_cpu_alone), pytest.param(512, 129, marks=on_the_cpu_alone)],
)
def test_codeblocks_are_openjpeg_s_byte_for_byte(where: Executor, kind: str, rows: int, columns: int) -> None:
    samples, precision = picture(kind, rows, columns)
    codestream = openjpeg.encode_array(samples, bits_stored=precision, photometric_interpretation=2)
    theirs = packets.read_codeblocks(bytes(codestream))
    shifted = samples.astype(np.int64) - (0 if samples.dtype.kind == "i" else 1 << (precision - 1))
    plane = dwt.decompose(shifted[None], 5, dwt.analyse_53)
    fields = [(b.x, b.y, b.width, b.height, b.orientation, b.num_magnitude_bitplanes) for b in theirs]
    ours = code(where, plane, np.array(fields))
    assert (ours.status == encode.STATUS_OK).all()
    for job, block in enumerate(theirs):
        assert ours.num_passes[job] == block.num_passes
        assert ours.data(job) == block.data
        if block.num_passes:
            assert ours.zero_bitplanes[job] == block.num_zero_bitplanes


@on_the_cpu_alone
@pytest.mark.parametrize("style", [0, STYLE_BYPASS | STYLE_TERMINATE, 63])
def test_gpus_kernels_write_the_same(where: Executor, style: int) -> None:
    random = np.random.default_rng(11)
    sparse = random.integers(-3000, 3000, (2, 40, 70)) * (random.random((2, 40, 70)) < 0.3)
    blocks = np.array([[0, 0, 32, 40, 0, 16], [32, 0, 32, 16, 1, 16], [32, 16, 38, 24, 3, 15], [64, 0, 6, 16, 2, 14]])
    options = {"style": style, "fractional_bits": 3, "reversible": False}
    one, other = (code(where, sparse.astype(np.int32), blocks, apart=apart, **options) for apart in (False, True))
    assert not one.status.any()
    for name in ("lengths", "zero_bitplanes", "num_passes", "status"):
        np.testing.assert_array_equal(getattr(other, name), getattr(one, name))
    for job, passes in enumerate(one.num_passes):
        assert other.data(job) == one.data(job)
        np.testing.assert_array_equal(other.pass_lengths[job, :passes], one.pass_lengths[job, :passes])
        np.testing.assert_array_equal(other.pass_distortions[job, :passes], one.pass_distortions[job, :passes])


SHAPES = [(64, 64), (13, 37), (1, 1), (4, 1024), (1024, 4), (7, 16), (5, 65)]
STYLES = [0, 1, 2, 4, 8, 16, 32, STYLE_BYPASS | STYLE_TERMINATE, STYLE_TERMINATE | STYLE_PREDICTABLE, 42, 59, 63]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "shape", [pytest.param(shape, marks=() if sum(shape) < 60 else on_the_cpu_alone) for shape in SHAPES]
)
def test_every_truncation_decodes_to_the_distortion_that_was_told(
    where: Executor, shape: tuple[int, int], style: int
) -> None:
    # Magnitudes of seven bits: distortions look at six below the bit-plane that is coded, so they are exact.
    random = np.random.default_rng(style)
    block = np.clip(random.laplace(0, 20, shape).round(), -127, 127).astype(np.int64)
    block[-1, -1] = -99
    coded = code_one(where, block, style=style)
    passes = int(coded.num_passes[0])
    assert passes == 19
    for number in range(1, passes + 1) if not simulator_enabled() else (1, 11, passes):
        decoded = decode_passes(coded, shape, number, style)
        reduction = (block**2).sum() - ((block - decoded) ** 2).sum()
        assert coded.pass_distortions[0, number - 1] == reduction
    np.testing.assert_array_equal(decoded, block)


@EXAMPLES
@given(
    rows=st.integers(1, 32),
    columns=st.integers(1, 70),
    scale=st.sampled_from([0.3, 3, 40, 1000, 20000]),
    style=st.integers(0, 63),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_codeblock_decodes_exactly(
    where: Executor, rows: int, columns: int, scale: float, style: int, seed: int
) -> None:
    block = np.random.default_rng(seed).laplace(0, scale, (rows, columns)).round().clip(-65535, 65535).astype(np.int64)
    block[0, 0] |= 1
    coded = code_one(where, block, style=style)
    assert (np.diff(coded.pass_lengths[0, : coded.num_passes[0]]) >= 0).all()
    decoded = decode_passes(coded, block.shape, int(coded.num_passes[0]), style)
    # The file's samples have 16 bits with their sign.
    np.testing.assert_array_equal(decoded, block.clip(-32768, 32767))


@pytest.mark.parametrize("lanes", [1, 2, 7])
def test_the_number_of_lanes_changes_nothing(where: Executor, lanes: int) -> None:
    samples, _ = picture("smooth", 40, 48)
    blocks = np.array([(x, y, 16, 8, (x + y) // 8 % 4, 16) for y in range(0, 40, 8) for x in range(0, 48, 16)])
    planes = np.stack([samples.astype(np.int32) - 2000, np.zeros(samples.shape, np.int32)])
    several = code(where, planes, blocks, lanes=lanes)
    for job in range(2 * len(blocks)):
        block = blocks[job % len(blocks)]
        plane = planes[job // len(blocks)][None]
        alone = code(where, plane, block[None], lanes=1)
        assert several.data(job) == alone.data(0)
        assert several.num_passes[job] == alone.num_passes[0]
        assert several.zero_bitplanes[job] == alone.zero_bitplanes[0]


def test_an_empty_codeblock_has_no_passes(where: Executor) -> None:
    coded = code_one(where, np.zeros((9, 9), np.int64))
    assert (coded.lengths[0], coded.num_passes[0], coded.zero_bitplanes[0]) == (0, 0, 16)


def test_bits_of_a_fraction_are_not_coded_but_count(where: Executor) -> None:
    random = np.random.default_rng(8)
    real = random.laplace(0, 6, (24, 20))
    fixed = np.fix(real * 64).astype(np.int64)
    whole = np.sign(fixed) * (np.abs(fixed) // 64)
    fine = code_one(where, fixed, fractional_bits=6, reversible=False, weight=2.5)
    coarse = code_one(where, whole)
    assert fine.data(0) == coarse.data(0)
    assert fine.zero_bitplanes[0] == coarse.zero_bitplanes[0]
    # A decoder that puts every coefficient into the middle of its interval of one quantizer step.
    decoded = np.sign(whole) * (np.abs(whole) + 0.5)
    reduction = ((fixed / 64) ** 2).sum() - ((fixed / 64 - decoded) ** 2).sum()
    assert fine.pass_distortions[0, fine.num_passes[0] - 1] == pytest.approx(2.5 * reduction, rel=2e-3)


@pytest.mark.parametrize("slot_bytes", [1, 2, 50, 199])
@pytest.mark.parametrize("style", [0, 63])
def test_a_slot_that_is_too_small_is_told_and_not_left(where: Executor, slot_bytes: int, style: int) -> None:
    block = np.random.default_rng(1).integers(-255, 256, (16, 16))
    coded = code(where, block[None], np.array([[0, 0, 16, 16, 0, 10]]), slot_bytes=slot_bytes, style=style)
    assert coded.status[0] == encode.STATUS_OVERFLOW
    assert coded.lengths[0] > slot_bytes


@pytest.mark.parametrize(
    ("magnitude", "expected"), [(1023, encode.STATUS_OK), (1024, encode.STATUS_TOO_MANY_BITPLANES)]
)
def test_more_bitplanes_than_the_subband_has_are_refused(where: Executor, magnitude: int, expected: int) -> None:
    block = np.zeros((8, 8), np.int64)
    block[3, 3] = -magnitude
    coded = code(where, block[None], np.array([[0, 0, 8, 8, 0, 10]]))
    assert coded.status[0] == expected


@EXAMPLES
@given(seed=st.integers(0, 2**32 - 1), ones=st.sampled_from([0.02, 0.5, 0.98]))
def test_the_worst_slot_is_long_enough_for_hostile_coefficients(where: Executor, seed: int, ones: float) -> None:
    # Bits that are unlikely wherever the coder has learnt otherwise: bursts that change sense.
    random = np.random.default_rng(seed)
    bits = random.random((16, 32, 32)) < np.where(random.random((16, 32, 32)) < 0.5, ones, 1 - ones)
    block = (bits * (1 << np.arange(16))[:, None, None]).sum(0) * random.choice([-1, 1], (32, 32))
    coded = code(where, block[None], np.array([[0, 0, 32, 32, 0, 16]]), style=63)
    assert coded.status[0] == encode.STATUS_OK
