"""HT block decoding against what OpenJPH coded, against OpenJPEG's decoder, and against plain decoding of bits."""

from __future__ import annotations

from dataclasses import dataclass

import imagecodecs
import numpy as np
import pytest
from gpucodec_kernels.ht import decode
from gpucodec_kernels.ht.tables import cxt_vlc_rows
from gpucodec_kernels.target import simulator_enabled
from hypothesis import given, settings
from hypothesis import strategies as st
from openjpeg import utils as openjpeg

from gpucodec.backends import Executor
from tests.kernels.test_ht_encode import code_one
from tests.reference import dwt, ht, packets, single_codeblock

pytestmark = pytest.mark.kernel
EXAMPLES = settings(max_examples=2 if simulator_enabled() else 60, deadline=None)

GUARD = -1234567890
HT, CAUSAL = 64, 8
TABLES = tuple(ht.index_table(cxt_vlc_rows(table)) for table in range(2))
KINDS = ((1, False), (2, False), (3, False), (2, True), (3, True))
SEEDS = st.integers(0, 2**32 - 1)


@dataclass
class Job:
    """One codeblock to decode, and its codeword segments as (passes, bytes)."""

    width: int
    height: int
    zero_bitplanes: int
    segments: list[tuple[int, bytes]]
    bitplanes: int = 16
    style: int = HT
    roi_shift: int = 0
    reversible: bool = True
    is_ht: bool = True


def launch(where: Executor, jobs: list[Job], place: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Decode codeblocks that lie one below the other; what lies between them must stay. Returns them, and statuses."""
    data, begins, segments, first = bytearray(b"\xff" * 8), [], [], [0]
    for job in jobs:
        for passes, segment in job.segments:
            begins.append(len(data))
            segments += [len(segment), passes]
            data += segment + b"\xff" * decode.SEGMENT_PADDING
        first.append(len(begins))
    row_stride = max(job.width for job in jobs) + 3
    tops = np.cumsum([0, *(job.height + 1 for job in jobs)])
    blocks = [
        (row_stride, job.width, job.height, 0, job.bitplanes, job.style, job.roi_shift, job.reversible) for job in jobs
    ]
    coded = [(job.zero_bitplanes, sum(passes for passes, _ in job.segments), job.is_ht) for job in jobs]
    sizes = np.array([(job.width, job.height) for job in jobs], np.int32)
    order, groups = decode.group_codeblocks(sizes[:, 0], sizes[:, 1], 1)
    coefficients = where.upload(np.full(place + int(tops[-1]) * row_stride, GUARD, np.int32))
    status = where.upload(np.full(len(jobs), GUARD, np.int32))
    arrays = [
        where.upload(np.array(values, dtype).reshape(-1))
        for values, dtype in (
            (order, np.int32), (groups, np.int32), (np.frombuffer(data, np.uint8), np.uint8), (begins, np.int64),
            (segments, np.int32), (first, np.int32), (coded, np.int32), (place + tops[:-1] * row_stride, np.int64),
            (blocks, np.int32),
        )
    ]  # fmt: skip
    decode.decode(where, *arrays, len(jobs), 0, coefficients, status)
    written = where.download(coefficients)
    untouched = np.ones(len(written), bool)
    planes = []
    for job, top in zip(jobs, tops, strict=False):
        places = place + (int(top) + np.arange(job.height)[:, None]) * row_stride + np.arange(job.width)
        planes.append(written[places])
        untouched[places] = False
    assert (written[untouched] == GUARD).all()
    return planes, where.download(status)


def picture(seed: int, rows: int, columns: int, bits: int, density: float) -> np.ndarray:
    """Return signed samples, most of them zero where the density is low."""
    rng = np.random.default_rng(seed)
    samples = rng.integers(-(1 << bits) + 1, 1 << bits, (rows, columns))
    return (samples * (rng.random((rows, columns)) < density)).astype(np.int16)


def coded_jobs(image: np.ndarray, levels: int, **options) -> tuple[list[packets.Codeblock], list[Job]]:
    """Return the codeblocks that OpenJPH makes of an image, and how they are decoded."""
    codestream = imagecodecs.htj2k_encode(image, reversible=True, resolutions=levels)
    found = [block for block in packets.read_codeblocks(codestream) if block.width]
    jobs = [
        Job(
            block.width, block.height, block.num_zero_bitplanes, [(1, block.data)] if block.num_passes else [],
            block.num_magnitude_bitplanes, **options,
        )
        for block in found
    ]  # fmt: skip
    return found, jobs


@EXAMPLES
@given(SEEDS, st.integers(1, 100), st.integers(1, 150), st.integers(1, 15), st.sampled_from([0.01, 0.2, 1.0]))
def test_what_openjph_codes_is_decoded(
    where: Executor, seed: int, rows: int, columns: int, bits: int, density: float
) -> None:
    if simulator_enabled():
        rows, columns = rows % 6 + 1, columns % 9 + 1
    image = picture(seed, rows, columns, bits, density)
    found, jobs = coded_jobs(image, 2)
    expected = dwt.decompose(image[None].astype(np.int64), 2, dwt.analyse_53)[0]
    planes, status = launch(where, jobs)
    for block, plane in zip(found, planes, strict=True):
        assert (plane == expected[block.y : block.y + block.height, block.x : block.x + block.width]).all()
    assert (status == 0).all()


@pytest.mark.parametrize(
    ("shape", "bits"),
    [((4, 1024), 12), ((1024, 4), 9), ((3, 1023), 5), ((1023, 3), 7), ((1, 1), 30), ((2, 1), 1), ((64, 64), 30),
     ((5, 33), 16), ((128, 32), 26), ((32, 128), 14)],
)  # fmt: skip
def test_any_shape_and_precision(where: Executor, shape: tuple[int, int], bits: int) -> None:
    if simulator_enabled():
        shape = (min(shape[0], 5), min(shape[1], 9))
    rng = np.random.default_rng(bits)
    # Magnitudes of every length, so that bounds and short and long rows differ.
    block = rng.integers(-(1 << bits) + 1, 1 << bits, shape) >> rng.integers(0, bits + 1, shape)
    block[0, 0] = 1
    coded = code_one(where, block.astype(np.int32), bits)
    job = Job(shape[1], shape[0], bits - 1, [(1, coded.data(0))], bits)
    (plane, other), status = launch(where, [job, job])
    assert (status == 0).all()
    assert (plane == block).all()
    assert (other == block).all()


@pytest.mark.parametrize(("bits", "reversible"), [(31, True), (30, False)])
def test_the_highest_precisions_fit(where: Executor, bits: int, reversible: bool) -> None:
    rng = np.random.default_rng(bits)
    below = bits - 20
    block = rng.integers(-(1 << 20) + 1, 1 << 20, (3, 6))
    coded = code_one(where, block.astype(np.int32), 20)
    (plane,), status = launch(where, [Job(6, 3, 19, [(1, coded.data(0))], bits, reversible=reversible)])
    doubled = np.sign(block) * ((2 * abs(block) + 1) << below)
    assert (status == 0).all()
    assert (plane == (doubled // 2 if reversible else doubled)).all()


def test_what_cannot_be_decoded_is_told_and_cleared(where: Executor) -> None:
    good = (1, code_one(where, np.full((2, 2), 3, np.int32), 8).data(0))
    jobs = [
        Job(2, 2, 7, [good], 8),
        Job(2, 2, 8, [good], 8),
        Job(2, 2, 3, [good], 32),
        Job(2, 2, 3, [good], 31, reversible=False),
        Job(2, 2, 7, [(1, b"\x00")], 8),
        Job(2, 2, 7, [(1, b"\x01\x00")], 8),
        Job(2, 2, 7, [(1, b"\xff\xff\xff")], 8),
        Job(2, 2, 8, [], 8),
        Job(2, 2, 7, [good], 8, is_ht=False),
    ]
    planes, status = launch(where, jobs)
    assert status.tolist() == [
        decode.STATUS_OK, decode.STATUS_BITPLANES, decode.STATUS_BITPLANES, decode.STATUS_BITPLANES,
        decode.STATUS_LENGTHS, decode.STATUS_LENGTHS, decode.STATUS_LENGTHS, decode.STATUS_OK, GUARD,
    ]  # fmt: skip
    assert (planes[0] == 3).all()
    assert all((plane == 0).all() for plane in planes[1:-1])
    assert (planes[-1] == GUARD).all()


def refinement_bytes(rng: np.random.Generator, length: int) -> bytes:
    """Return bytes of which none above 0x8F, and no end, follows 0xFF, as in what an encoder writes."""
    data = rng.integers(0, 256, length)
    data[rng.random(length) < 0.2] |= 0x7F
    data[(data == 0xFF) & (np.append(data[1:], 0xFF) >= 0x80)] = 0x7F
    return data.astype(np.uint8).tobytes()


@dataclass
class Refined:
    """A codeblock's segments: a cleanup pass and bytes that stand for refinement passes."""

    block: packets.Codeblock
    refinement: bytes
    passes: int
    causal: bool

    @property
    def segments(self) -> list[tuple[int, bytes]]:
        return [(1, self.block.data), *([(self.passes - 1, self.refinement)] if self.passes > 1 else [])]

    @property
    def style(self) -> int:
        return HT | (CAUSAL if self.causal else 0)

    def doubled(self, below: int) -> np.ndarray:
        plain = ht.decode_codeblock(
            self.block.data, self.refinement, self.block.width, self.block.height, TABLES,
            passes=self.passes, causal=self.causal,
        )  # fmt: skip
        return np.array(plain.doubled(below))


def refined_blocks(seed: int, longest: int) -> list[Refined]:
    rng = np.random.default_rng(seed)
    side = 8 if simulator_enabled() else 64
    rows, columns = (int(size) for size in rng.integers(1, side, 2))
    image = picture(seed, rows, columns, 5, rng.choice([0.02, 0.2, 0.9]))
    image[0, 0] = 1  # one at least is significant
    found, _ = coded_jobs(image, 1)
    coded = [block for block in found if block.num_passes]
    return [
        Refined(block, refinement_bytes(rng, int(rng.integers(1, longest))), passes, causal)
        for block in coded
        for passes, causal in (((3, True),) if simulator_enabled() else KINDS)
    ]


@EXAMPLES
@given(SEEDS, st.integers(1, 7))
def test_refinement_passes_are_what_openjpeg_reads(where: Executor, seed: int, below: int) -> None:
    cases = refined_blocks(seed, 900)
    jobs = [
        Job(case.block.width, case.block.height, 15 - below, case.segments, style=case.style) for case in cases
    ]  # fmt: skip
    planes, status = launch(where, jobs)
    assert (status == 0).all()
    for case, job, plane in zip(cases, jobs, planes, strict=True):
        codestream = single_codeblock.write_codestream(
            job.width, job.height, case.style, job.zero_bitplanes, case.segments
        )
        assert (plane == openjpeg.decode(codestream).reshape(plane.shape)).all()


@EXAMPLES
@given(SEEDS, st.integers(1, 20), st.booleans())
def test_values_have_the_middle_of_what_is_not_decoded(
    where: Executor, seed: int, below: int, reversible: bool
) -> None:
    cases = refined_blocks(seed, 400)
    planes, status = launch(
        where,
        [
            Job(
                case.block.width, case.block.height, 7, case.segments, below + 8, style=case.style,
                reversible=reversible,
            )
            for case in cases
        ],
    )  # fmt: skip
    assert (status == 0).all()
    for case, plane in zip(cases, planes, strict=True):
        expected = case.doubled(below)
        assert (plane == (np.trunc(expected / 2) if reversible else expected)).all()


@pytest.mark.parametrize("reversible", [False, True])
def test_a_region_of_interest_comes_down(where: Executor, reversible: bool) -> None:
    image = picture(3, 8, 9, 9, 1.0)
    _, (job, *_) = coded_jobs(image, 1)
    raised = [
        Job(job.width, job.height, 15, job.segments, 16, roi_shift=shift, reversible=reversible) for shift in (0, 6)
    ]
    (plain, moved), _ = launch(where, raised)
    limit = 64 if reversible else 128
    expected = np.where(abs(plain) >= limit, np.sign(plain) * (abs(plain) >> 6), plain)
    assert (moved == expected).all()
    assert (moved != plain).any()


@EXAMPLES
@given(SEEDS, st.data())
def test_damaged_segments_decode_like_plain_bits_or_are_told(where: Executor, seed: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    cases = refined_blocks(seed, 60)
    jobs, expected = [], []
    for case in cases:
        segment = bytearray(case.block.data)
        for _ in range(data.draw(st.integers(1, 6))):
            segment[int(rng.integers(len(segment)))] = int(rng.integers(256))
        segment = segment[: int(rng.integers(1, len(segment) + 1))] if rng.random() < 0.3 else segment
        width, height = case.block.width, case.block.height
        jobs.append(Job(width, height, 15, [(1, bytes(segment))]))
        try:
            plain = ht.decode_codeblock(bytes(segment), b"", width, height, TABLES, most=17)
            expected.append(np.trunc(np.array(plain.doubled(0)) / 2))
        except ht.HTError:
            expected.append(None)
    planes, status = launch(where, jobs)
    for plane, each, wanted in zip(planes, status, expected, strict=True):
        if wanted is None:
            assert each in (decode.STATUS_LENGTHS, decode.STATUS_CODEWORDS)
            assert (plane == 0).all()
        else:
            assert each == 0
            assert (plane == wanted).all()
