"""Block decoding against what was coded, and against OpenJPEG's decoder where passes are cut off."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from gpucodec_kernels.ebcot import decode
from gpucodec_kernels.target import simulator_enabled
from hypothesis import given
from hypothesis import strategies as st
from openjpeg import utils as openjpeg

from gpucodec.backends import Executor
from tests.kernels.test_ebcot import EXAMPLES, SHAPES, STYLES, code, code_one, decode_passes, on_the_cpu_alone, picture
from tests.reference import dwt, packets, single_codeblock

pytestmark = pytest.mark.kernel

GUARD = -1234567890


@dataclass
class Job:
    """One codeblock to decode: what packets tell of it, and its codeword segments as (passes, bytes)."""

    width: int
    height: int
    zero_bitplanes: int
    segments: list[tuple[int, bytes]]
    passes: int | None = None
    orientation: int = 0
    bitplanes: int = 16
    style: int = 0
    roi_shift: int = 0
    reversible: bool = True

    @property
    def row(self) -> list[int]:
        return [self.width, self.height, self.orientation, self.bitplanes, self.style, self.roi_shift, self.reversible]


@dataclass
class Tables:
    """The arrays of a launch; codeblocks lie one below the other, with columns between them that must stay."""

    jobs: list[Job]
    margin: int = 3
    data: bytearray = field(default_factory=lambda: bytearray(b"\xff" * 8))
    begins: list[int] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    first: list[int] = field(default_factory=lambda: [0])

    def __post_init__(self) -> None:
        for job in self.jobs:
            for passes, data in job.segments:
                self.begins.append(len(self.data))
                self.segments += [len(data), passes]
                self.data += data + b"\xff" * decode.PADDING
            self.first.append(len(self.begins))
        self.row_stride = max(job.width for job in self.jobs) + self.margin

    @property
    def coded(self) -> list[int]:
        numbers = [job.passes if job.passes is not None else sum(p for p, _ in job.segments) for job in self.jobs]
        return [value for job, number in zip(self.jobs, numbers, strict=True) for value in (job.zero_bitplanes, number)]

    @property
    def tops(self) -> list[int]:
        return np.cumsum([0, *(job.height for job in self.jobs)]).tolist()

    def launch(self, where: Executor, *, lanes: int = 2, planes: int = 31) -> tuple[list[np.ndarray], np.ndarray]:
        """Return the coefficients of each codeblock, and the statuses."""
        number = len(self.jobs)
        size = (max(job.width for job in self.jobs), max(job.height for job in self.jobs))
        words, symbols = decode.scratch_words(*size, planes), decode.scratch_symbols(*size)
        tops = self.tops
        coefficients = where.upload(np.full((tops[-1], self.row_stride), GUARD, np.int32).reshape(-1))
        status = where.empty(number, np.int32)
        rows = [[self.row_stride, *job.row] for job in self.jobs]
        int32 = [np.asarray(table, np.int32).reshape(-1) for table in (self.segments, self.first, self.coded, rows)]
        where.launch(
            decode.decode_codeblocks, lanes, lanes, where.upload(np.arange(number, dtype=np.int32)), number,
            where.upload(np.frombuffer(self.data, np.uint8)), where.upload(np.array(self.begins, np.int64)),
            *(where.upload(table) for table in int32[:3]), 2,
            where.upload(np.array(tops[:-1], np.int64) * self.row_stride), where.upload(int32[3]), number, 0,
            where.upload(np.full(lanes * words, 0xDEADBEEFDEADBEEF, np.uint64)), words,
            where.upload(np.full(lanes * symbols, 0xEE, np.uint8)), symbols, coefficients, status,
        )  # fmt: skip
        plane = where.download(coefficients).reshape(tops[-1], self.row_stride)
        result = []
        for job, top in zip(self.jobs, tops, strict=False):
            assert (plane[top : top + job.height, job.width :] == GUARD).all()
            result.append(plane[top : top + job.height, : job.width])
        return result, where.download(status)


def job_of(coded, shape: tuple[int, int], number: int, style: int, *, index: int = 0, **fields) -> Job:
    """Return the first passes of a codeblock that the encoder wrote."""
    segments = packets.segment_passes(number, style)
    ends = [int(coded.pass_lengths[index, last]) for last in single_codeblock.last_passes(segments)]
    cut = single_codeblock.cut(coded.slots[index].tobytes(), segments, ends)
    return Job(*shape[::-1], int(coded.zero_bitplanes[index]), cut, style=style, **fields)


@pytest.mark.parametrize("kind", ["smooth", "noise", "sparse", "flat"])
@pytest.mark.parametrize(("rows", "columns"), [(32, 33), pytest.param(200, 333, marks=on_the_cpu_alone)])
def test_codeblocks_of_openjpeg_give_its_coefficients(where: Executor, kind: str, rows: int, columns: int) -> None:
    samples, precision = picture(kind, rows, columns)
    codestream = openjpeg.encode_array(samples, bits_stored=precision, photometric_interpretation=2)
    shifted = samples.astype(np.int64) - (0 if samples.dtype.kind == "i" else 1 << (precision - 1))
    plane = dwt.decompose(shifted[None], 5, dwt.analyse_53)[0]
    blocks = packets.read_codeblocks(bytes(codestream))
    jobs = [
        Job(b.width, b.height, b.num_zero_bitplanes, [(b.num_passes, b.data)] if b.num_passes else [],
            orientation=b.orientation, bitplanes=b.num_magnitude_bitplanes)
        for b in blocks
    ]  # fmt: skip
    decoded, status = Tables(jobs).launch(where)
    assert (status == decode.STATUS_OK).all()
    for block, coefficients in zip(blocks, decoded, strict=True):
        expected = plane[block.y : block.y + block.height, block.x : block.x + block.width]
        np.testing.assert_array_equal(coefficients, expected)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "shape", [pytest.param(shape, marks=() if sum(shape) < 60 else on_the_cpu_alone) for shape in SHAPES]
)
def test_every_truncation_gives_openjpeg_s_values(where: Executor, shape: tuple[int, int], style: int) -> None:
    block = np.random.default_rng(style).laplace(0, 20, shape).round().clip(-127, 127).astype(np.int64)
    block[-1, -1] = -99
    coded = code_one(where, block, style=style)
    numbers = range(1, int(coded.num_passes[0]) + 1) if not simulator_enabled() else (1, 11, 12, 19)
    decoded, status = Tables([job_of(coded, shape, number, style) for number in numbers]).launch(where)
    assert (status == decode.STATUS_OK).all()
    for number, coefficients in zip(numbers, decoded, strict=True):
        np.testing.assert_array_equal(coefficients, decode_passes(coded, shape, number, style))


@EXAMPLES
@given(
    rows=st.integers(1, 32),
    columns=st.integers(1, 70),
    scale=st.sampled_from([0.3, 3, 40, 1000, 20000, 2**26]),
    style=st.integers(0, 63),
    orientation=st.integers(0, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_codeblock_decodes_exactly(
    where: Executor, rows: int, columns: int, scale: float, style: int, orientation: int, seed: int
) -> None:
    most = 2**30 - 1
    block = np.random.default_rng(seed).laplace(0, scale, (rows, columns)).round().clip(-most, most).astype(np.int64)
    block[0, 0] |= 1
    coded = code(where, block[None], np.array([[0, 0, columns, rows, orientation, 30]]), style=style)
    fields = {"style": style, "orientation": orientation, "bitplanes": 30}
    whole = job_of(coded, block.shape, int(coded.num_passes[0]), **fields)
    doubled = job_of(coded, block.shape, int(coded.num_passes[0]), **fields, reversible=False)
    decoded, status = Tables([whole, doubled]).launch(where, lanes=1)
    assert (status == decode.STATUS_OK).all()
    np.testing.assert_array_equal(decoded[0], block)
    np.testing.assert_array_equal(decoded[1], 2 * block + np.sign(block))


@pytest.mark.parametrize("plane", [1, 4])
def test_irreversible_coefficients_lie_in_the_middle(where: Executor, plane: int) -> None:
    block = np.random.default_rng(plane).integers(-255, 256, (13, 21))
    coded = code_one(where, block)
    number = int(coded.num_passes[0]) - 3 * plane
    decoded, _ = Tables([job_of(coded, block.shape, number, 0, reversible=False)]).launch(where)
    known = np.abs(block) >> plane << plane
    np.testing.assert_array_equal(decoded[0], np.where(known > 0, np.sign(block) * (2 * known + 2**plane), 0))


@pytest.mark.parametrize("style", [0, 63])
@pytest.mark.parametrize("reversible", [True, False])
def test_a_region_of_interest_is_shifted_down(where: Executor, style: int, reversible: bool) -> None:
    random = np.random.default_rng(5)
    block = random.integers(-255, 256, (20, 18))
    inside = random.random(block.shape) < 0.3
    shift = 9
    shifted = np.where(inside, block * 2**shift, block)
    coded = code(where, shifted[None], np.array([[0, 0, 18, 20, 0, 8 + shift]]), style=style)
    fields = {"bitplanes": 8 + shift, "roi_shift": shift, "reversible": reversible}
    whole = job_of(coded, block.shape, int(coded.num_passes[0]), style, **fields)
    middle = job_of(coded, block.shape, int(coded.num_passes[0]) - 3 * shift, style, **fields)
    decoded, status = Tables([whole, middle]).launch(where)
    assert (status == decode.STATUS_OK).all()
    expected = block if reversible else 2 * block + np.sign(block)
    np.testing.assert_array_equal(decoded[0], expected)
    np.testing.assert_array_equal(decoded[1], np.where(inside, expected, 0))


@pytest.mark.parametrize("lanes", [1, 3, 8])
def test_codeblocks_of_all_kinds_in_one_launch(where: Executor, lanes: int) -> None:
    random = np.random.default_rng(lanes)
    jobs, expected = [], []
    for number, style in enumerate([0, 0, 1, 5, 63, 8, 32, 0]):
        block = random.laplace(0, 3**number / 9, (1 + 3 * number, 30 - 3 * number)).round().astype(np.int64)
        block[0, 0] |= 1
        coded = code_one(where, block, style=style)
        jobs.append(job_of(coded, block.shape, int(coded.num_passes[0]), style))
        jobs.append(Job(5, 3, 16, []))
        expected += [block, np.zeros((3, 5))]
    decoded, status = Tables(jobs).launch(where, lanes=lanes)
    assert (status == decode.STATUS_OK).all()
    for ours, block in zip(decoded, expected, strict=True):
        np.testing.assert_array_equal(ours, block)


@pytest.mark.parametrize("style", [32, 36, 63])
def test_a_wrong_segmentation_symbol_is_told(where: Executor, style: int) -> None:
    block = np.random.default_rng(2).integers(-255, 256, (16, 16))
    coded = code_one(where, block, style=style)
    job = job_of(coded, block.shape, int(coded.num_passes[0]), style)
    damaged = [(passes, bytes(byte ^ 0x5A for byte in data)) for passes, data in job.segments]
    _, status = Tables([job, Job(16, 16, job.zero_bitplanes, damaged, style=style)]).launch(where)
    assert status.tolist() == [decode.STATUS_OK, decode.STATUS_SEGMENTATION]


@EXAMPLES
@given(
    rows=st.integers(1, 20),
    columns=st.integers(1, 40),
    style=st.integers(0, 63),
    data=st.binary(max_size=300),
    passes=st.integers(1, 164),
    zero_bitplanes=st.integers(0, 40),
    reversible=st.booleans(),
    length=st.integers(0, 100),
)
def test_any_bytes_stay_within_the_codeblock(
    where: Executor, rows: int, columns: int, style: int, data: bytes, passes: int, zero_bitplanes: int,
    reversible: bool, length: int,
) -> None:  # fmt: skip
    segments = [(number, data[:length]) for number in packets.segment_passes(passes, style)]
    jobs = [
        Job(columns, rows, zero_bitplanes, segments, bitplanes=36, style=style, roi_shift=shift, reversible=reversible)
        for shift in (0, 6)
    ]
    decoded, status = Tables(jobs).launch(where, planes=36)
    planes = 36 - zero_bitplanes
    for coefficients, found, shift in zip(decoded, status, (0, 6), strict=True):
        assert (coefficients != GUARD).all()
        if 0 < planes - shift <= 30 and passes <= 3 * planes - 2:
            assert found in (decode.STATUS_OK, decode.STATUS_SEGMENTATION if style & 32 else decode.STATUS_OK)
        elif planes <= 0 or planes - shift > 31:
            assert found == decode.STATUS_BITPLANES
            assert not coefficients.any()


def hostile() -> dict[str, tuple[Job, int]]:
    """Return codeblocks of which something is wrong, and the status that tells it."""
    data = bytes(range(40))
    return {
        "no bit-planes": (Job(4, 4, 16, [(1, data)]), decode.STATUS_BITPLANES),
        "fewer than none": (Job(4, 4, 17, [(1, data)]), decode.STATUS_BITPLANES),
        "too many bit-planes": (Job(4, 4, 0, [(1, data)], bitplanes=32), decode.STATUS_BITPLANES),
        "too many for doubling": (Job(4, 4, 0, [(1, data)], bitplanes=31, reversible=False), decode.STATUS_BITPLANES),
        "more than the scratch holds": (Job(4, 4, 0, [(1, data)], bitplanes=60, roi_shift=30), decode.STATUS_BITPLANES),
        "too many passes": (Job(4, 4, 14, [(5, data)]), decode.STATUS_PASSES),
        "no segment": (Job(4, 4, 10, [], passes=3), decode.STATUS_DATA),
        "a segment too few": (Job(4, 4, 10, [(1, data)] * 3, passes=4, style=4), decode.STATUS_DATA),
        "only empty segments": (Job(4, 4, 10, [(0, data)] * 3, passes=4), decode.STATUS_DATA),
    }


@pytest.mark.parametrize("name", hostile())
def test_tables_that_lie_are_told(where: Executor, name: str) -> None:
    job, expected = hostile()[name]
    good = Job(4, 4, 16, [])
    _, status = Tables([good, job, good]).launch(where)
    assert status.tolist() == [decode.STATUS_OK, expected, decode.STATUS_OK]


@pytest.mark.parametrize(("begin", "length"), [(-1, 4), (8, -3), (8, 2**31 - 1), (2**40, 4), (30, 2), (8, 41)])
def test_segments_outside_of_the_data_are_told(where: Executor, begin: int, length: int) -> None:
    tables = Tables([Job(4, 4, 10, [(1, bytes(40))])])
    tables.begins, tables.segments = [begin], [length, 1]
    decoded, status = tables.launch(where)
    assert status[0] == decode.STATUS_DATA
    assert not decoded[0].any()
