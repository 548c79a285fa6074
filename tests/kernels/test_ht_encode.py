"""HT block coding: OpenJPH's bytes for whole pictures; OpenJPEG and plain decoding give back what was coded."""

from __future__ import annotations

import csv
from dataclasses import dataclass

import imagecodecs
import numpy as np
import pytest
from gpucodec_kernels.ht import encode, tables
from gpucodec_kernels.ht.encode import encode_codeblocks
from gpucodec_kernels.target import simulator_enabled
from hypothesis import given, settings
from hypothesis import strategies as st
from openjpeg import utils as openjpeg

from gpucodec.backends import Executor
from tests.conformance_data import present
from tests.reference import dwt, ht, packets, single_codeblock

pytestmark = pytest.mark.kernel
EXAMPLES = settings(max_examples=3 if simulator_enabled() else 150, deadline=None)
on_the_cpu_alone = pytest.mark.skipif(simulator_enabled(), reason="the simulator takes minutes for it")

GUARD = 0xA5
HT = 64
TABLES = tuple(ht.index_table(tables.cxt_vlc_rows(table)) for table in range(2))


@dataclass
class Coded:
    """What a launch wrote."""

    slots: np.ndarray
    lengths: np.ndarray
    zero_bitplanes: np.ndarray
    num_passes: np.ndarray
    status: np.ndarray

    def data(self, job: int) -> bytes:
        return self.slots[job, : self.lengths[job]].tobytes()


def code(
    where: Executor,
    planes: np.ndarray,
    blocks: list[tuple[int, ...]],
    *,
    fractional_bits: int = 0,
    lanes: int = 2,
    slot_bytes: int | None = None,
    jobs: slice = slice(None),
) -> Coded:
    """Code the codeblocks of int32 planes; bytes behind the last slot must stay, and what other jobs have."""
    count, rows, columns = planes.shape
    table = np.array(blocks, np.int32)
    total = count * len(table)
    first, end, _ = jobs.indices(total)
    shape = (int(table[:, 2].max()), int(table[:, 3].max()))
    words = encode.scratch_words(*shape)
    if slot_bytes is None:
        slot_bytes = encode.worst_slot_bytes(*shape, int(table[:, 5].max()))
    slots = where.upload(np.full((end - first) * slot_bytes + 64, GUARD, np.uint8))
    written = [where.upload(np.full(total, -77, np.int32)) for _ in range(4)]
    where.launch(
        encode_codeblocks, lanes, lanes, first, end - first, where.upload(planes.astype(np.int32).reshape(-1)),
        rows * columns, columns, where.upload(table.reshape(-1)), len(table), fractional_bits,
        where.upload(tables.cxt_vlc_codes()), where.empty(lanes * words, np.uint64), words, slots, slot_bytes, *written,
    )  # fmt: skip
    data = where.download(slots)
    assert (data[-64:] == GUARD).all()
    results = [where.download(array) for array in written]
    assert all((np.delete(array, np.arange(first, end)) == -77).all() for array in results)
    return Coded(data[:-64].reshape(end - first, slot_bytes), *(array[first:end] for array in results))


def code_one(where: Executor, block: np.ndarray, planes: int, **options) -> Coded:
    """Code one codeblock; of its slot only what its length says is written."""
    rows, columns = block.shape
    coded = code(where, block[None], [(0, 0, columns, rows, 0, planes)], **options)
    assert coded.status[0] == encode.STATUS_OK
    return coded


def picture(kind: str, shape: tuple[int, ...], precision: int) -> np.ndarray:
    """Return a picture."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[: shape[0], : shape[1]]
    largest = (1 << precision) - 1
    if kind == "smooth":
        picture = (0.5 + 0.4 * np.sin(x / 13) * np.cos(y / 9)) * largest + random.normal(0, 1.5, x.shape)
    elif kind == "noise":
        picture = random.integers(0, largest, x.shape, endpoint=True)
    elif kind == "sparse":
        picture = np.where(random.random(x.shape) < 0.01, random.integers(0, largest, x.shape), 0)
    else:
        picture = np.full(x.shape, largest // 3)
    if len(shape) == 3:
        picture = np.stack([picture, np.roll(picture, 1, 0), largest - picture], axis=-1)
    return picture.clip(0, largest).astype(np.uint8 if precision <= 8 else np.uint16)


def transformed(samples: np.ndarray) -> np.ndarray:
    """Return the planes of 5/3 subbands, after the reversible component transform of colour."""
    shifted = samples.astype(np.int64) - (1 << (8 * samples.dtype.itemsize - 1))
    planes = shifted[None]
    if samples.ndim == 3:
        red, green, blue = np.moveaxis(shifted, -1, 0)
        planes = np.stack([(red + 2 * green + blue) >> 2, blue - green, red - green])
    return dwt.decompose(planes, 5, dwt.analyse_53)


@pytest.mark.parametrize("precision", [8, 16])
@pytest.mark.parametrize("kind", ["smooth", "noise", "sparse", "flat"])
@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(shape, marks=() if np.prod(shape) < 800 else on_the_cpu_alone)
        for shape in [(16, 17), (200, 333), (1, 100), (300, 1), (129, 71, 3), (512, 512)]
    ],
)
def test_codeblocks_are_openjph_s_byte_for_byte(
    where: Executor, kind: str, shape: tuple[int, ...], precision: int
) -> None:
    samples = picture(kind, shape, precision)
    codestream = imagecodecs.htj2k_encode(samples, reversible=True, rgb=len(shape) == 3)
    theirs = packets.read_codeblocks(bytes(codestream))
    planes = transformed(samples)
    for component, plane in enumerate(planes):
        blocks = [block for block in theirs if block.component == component]
        fields = [(b.x, b.y, b.width, b.height, b.orientation, b.num_magnitude_bitplanes) for b in blocks]
        ours = code(where, plane[None], fields)
        assert (ours.status == encode.STATUS_OK).all()
        for job, block in enumerate(blocks):
            assert ours.num_passes[job] == block.num_passes
            assert ours.data(job) == block.data
            if block.num_passes:
                assert ours.zero_bitplanes[job] == block.num_zero_bitplanes


SIDES = st.one_of(st.integers(1, 9), st.sampled_from([16, 31, 64, 65, 128]))


@st.composite
def codeblocks(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    """Return coefficients of a codeblock, and their number of magnitude bit-planes."""
    width = draw(SIDES)
    height = min(draw(SIDES), 4096 // width) if not simulator_enabled() else draw(st.integers(1, 5))
    width = width if not simulator_enabled() else min(width, 9)
    planes = draw(st.integers(1, 31))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    largest = 2**planes - 1
    kind = draw(st.sampled_from(["even", "laplace", "sparse", "extreme", "small"]))
    if kind == "even":
        block = random.integers(-largest, largest, (height, width), endpoint=True)
    elif kind == "laplace":
        scale = random.uniform(0.1, 1) * largest ** random.uniform(0, 1)
        block = np.clip(random.laplace(0, scale, (height, width)).round(), -largest, largest)
    elif kind == "extreme":
        block = random.choice([-largest, largest, 0, -1, 1], (height, width), p=[0.4, 0.4, 0.1, 0.05, 0.05])
    elif kind == "small":
        block = random.integers(-1, 1, (height, width), endpoint=True)
    else:
        block = np.where(random.random((height, width)) < 0.02, random.integers(1, largest, endpoint=True), 0)
    return block.astype(np.int64), planes


@EXAMPLES
@given(codeblocks())
def test_plain_decoding_gives_back_what_was_coded(where: Executor, coded: tuple[np.ndarray, int]) -> None:
    block, planes = coded
    ours = code_one(where, block, planes)
    assert ours.num_passes[0] == block.any()
    if not block.any():
        assert (ours.lengths[0], ours.zero_bitplanes[0]) == (0, planes)
        return
    assert ours.zero_bitplanes[0] == planes - 1
    decoded = ht.decode_codeblock(ours.data(0), b"", *block.shape[::-1], TABLES, most=planes + 1)
    values = np.where(np.array(decoded.signs, bool), -1, 1) * np.array(decoded.magnitudes)
    assert (values == block).all()


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(shape, marks=() if np.prod(shape) < 100 else on_the_cpu_alone)
        for shape in [
            (5, 7),
            (1, 1),
            (64, 64),
            (13, 37),
            (4, 1024),
            (1024, 4),
            (3, 1024),
            (1024, 3),
            (1, 1024),
            (64, 1),
        ]
    ],
)
@pytest.mark.parametrize("scale", [0.2, 3, 40, 9000])
def test_openjpeg_decodes_what_was_coded(where: Executor, shape: tuple[int, int], scale: float) -> None:
    random = np.random.default_rng(shape[0])
    block = np.clip(random.laplace(0, scale, shape).round(), -32768, 32767).astype(np.int64)
    block[-1, -1] = -99
    ours = code_one(where, block, 16)
    segments = [(1, ours.data(0))]
    codestream = single_codeblock.write_codestream(*shape[::-1], HT, int(ours.zero_bitplanes[0]), segments)
    assert (openjpeg.decode(codestream).astype(np.int64).reshape(shape) == block).all()


def worst_codeblock(kind: str, width: int, height: int, planes: int) -> np.ndarray:
    """Return codeblocks that take many bits of each kind."""
    random = np.random.default_rng(11)
    largest = 2**planes - 1
    if kind == "magnitudes":  # all bits set
        return np.full((height, width), -largest)
    if kind == "codewords":  # each quad's bound far from the predicted one
        block = np.zeros((height, width), np.int64)
        block[::2, ::2] = np.where(random.random(block[::2, ::2].shape) < 0.5, largest, 1)
        return block
    block = np.zeros((height, width), np.int64)  # many events, at odd distances
    block[::4, :: int(random.integers(5, 9))] = 1
    return block


@pytest.mark.parametrize("kind", ["magnitudes", "codewords", "events"])
@pytest.mark.parametrize("planes", [1, 7, 16, 31])
@pytest.mark.parametrize(
    ("width", "height"),
    [(7, 5), *(pytest.param(*s, marks=on_the_cpu_alone) for s in [(64, 64), (4, 1024), (819, 5), (5, 819), (1023, 3)])],
)
def test_the_worst_slot_holds_it_and_a_smaller_one_is_not_left(
    where: Executor, kind: str, planes: int, width: int, height: int
) -> None:
    block = worst_codeblock(kind, width, height, planes)
    ours = code_one(where, block, planes)
    length = int(ours.lengths[0])
    assert (ours.slots[0, length:] == GUARD).all()
    # Room is made for all bytes that the bits may take, so that a slot a little longer than needed may be too small.
    for slot_bytes in {*range(0, length, max(1, length // 5)), length - 1, length, length + length // 7 + 2}:
        fits = code(where, block[None], [(0, 0, width, height, 0, planes)], slot_bytes=slot_bytes)
        if fits.status[0] == encode.STATUS_OK:
            assert slot_bytes >= length
            assert fits.data(0) == ours.data(0)
        else:
            assert slot_bytes < length + length // 7 + 2
            assert (fits.status[0], fits.lengths[0]) == (encode.STATUS_OVERFLOW, 0)
            assert (fits.slots == GUARD).all()


def test_magnitudes_above_the_bit_planes_are_told(where: Executor) -> None:
    for planes in (1, 7, 16, 30, 31):
        for largest, status in ((2**planes - 1, encode.STATUS_OK), (2**planes, encode.STATUS_TOO_MANY_BITPLANES)):
            for place in (0, 6, 14):
                block = np.ones((3, 5), np.int64)
                block.reshape(-1)[place] = -largest
                ours = code(where, block[None], [(0, 0, 5, 3, 0, planes)])
                assert ours.status[0] == status
                assert (ours.lengths[0] > 0) == (status == encode.STATUS_OK)


@pytest.mark.parametrize("size", [(65, 64), (1, 1025), (1025, 1), (4, 1025), (4097, 4097)])
def test_too_large_a_codeblock_is_told(where: Executor, size: tuple[int, int]) -> None:
    ours = code(where, np.ones((1, 2, 2), np.int64), [(0, 0, *size, 0, 8)], slot_bytes=100)
    assert (ours.status[0], ours.lengths[0], ours.num_passes[0]) == (encode.STATUS_TOO_LARGE, 0, 0)
    assert (ours.slots == GUARD).all()


def test_fractional_bits_are_not_coded(where: Executor) -> None:
    random = np.random.default_rng(5)
    block = random.integers(-(2**12), 2**12, (5, 6))
    for fractional_bits in (1, 6, 13):
        ours = code_one(where, block, 12, fractional_bits=fractional_bits)
        expected = code_one(where, np.sign(block) * (abs(block) >> fractional_bits), 12)
        assert ours.data(0) == expected.data(0)


@pytest.mark.parametrize("lanes", [1, 3])
def test_lanes_planes_and_places_change_nothing(where: Executor, lanes: int) -> None:
    random = np.random.default_rng(6)
    planes = random.integers(-200, 200, (2, 9, 11))
    blocks = [(0, 0, 4, 4, 0, 8), (4, 0, 7, 4, 1, 8), (0, 4, 4, 5, 2, 9), (4, 4, 7, 5, 3, 8)]
    ours = code(where, planes, blocks, lanes=lanes)
    part = code(where, planes, blocks, lanes=lanes, jobs=slice(3, 6))
    for job in range(8):
        x, y, width, height, _, bitplanes = blocks[job % 4]
        alone = code_one(where, planes[job // 4, y : y + height, x : x + width], bitplanes)
        assert ours.data(job) == alone.data(0)
        assert ours.zero_bitplanes[job] == alone.zero_bitplanes[0]
        if 3 <= job < 6:
            assert part.data(job - 3) == alone.data(0)


def test_codes_are_the_standard_s() -> None:
    folder = present("tables")
    for table in range(2):
        with (folder / f"ht_cxtvlc_table{table}.csv").open() as file:
            rows = [tuple(map(int, row)) for row in list(csv.reader(file))[1:]]
        assert tables.cxt_vlc_rows(table) == rows
        _check_codes(table, rows)


def _check_codes(table: int, rows: list[tuple[int, ...]]) -> None:
    """Of the codewords that say so the encoder's tells most exponents; a sample tells it reaches the bound, or not."""
    codes = tables.cxt_vlc_codes()[table << 11 : (table + 1) << 11].reshape(8, 16, 16)
    for (c_q, rho, epsilon), code_word in np.ndenumerate(codes):
        fitting = [
            row for row in rows
            if row[:2] == (c_q, rho) and row[2] == (epsilon > 0) and epsilon & row[3] == row[4] and not epsilon & ~rho
        ]  # fmt: skip
        if not fitting:
            assert code_word == 0
            continue
        _, _, _, e_k, _, codeword, length = next(row for row in rows if row in fitting and row[5] == code_word & 0x7F)
        assert (length, e_k) == (code_word >> 8 & 7, code_word >> 12)
        assert e_k.bit_count() == max(row[3].bit_count() for row in fitting)
        assert codeword < 1 << length
