"""Coding passes shared out among layers, against a search through every slope of the convex hulls."""

import numpy as np
import pytest
from gpucodec_kernels.target import simulator_enabled
from gpucodec_kernels.tier2.allocation import allocate_layers, measure_rest, rank_passes

from tests.kernels.tier2_frames import Frames
from tests.reference.packet_writing import hull, passes_at

pytestmark = pytest.mark.kernel

SEEDS = range(1 if simulator_enabled() else 3)


class Coded:
    """Frames with distortions, and what the kernels make of them."""

    def __init__(self, where, seed, layers):
        self.where = where
        frames = self.frames = Frames(seed, layers=layers, max_passes=10)
        random = np.random.default_rng(seed + 1000)
        shape = frames.pass_lengths.shape
        # Falling on the whole, but not from each pass to the next.
        gains = random.random(shape) * 0.7 ** np.arange(shape[-1]) * 1e4 * (random.random(shape) > 0.2) - 20
        self.distortions = np.cumsum(gains, axis=-1)
        self.weights = np.array([1.0, 3.5])
        self.member_weights = np.repeat(self.weights, frames.codeblocks)
        self.rests = random.random(frames.passes.shape) * 50
        self.slot_bytes = 4000 * (frames.components * frames.codeblocks + 3)

    def upload(self, array, dtype=np.int32):
        return self.where.upload(np.ascontiguousarray(array, dtype).reshape(-1))

    def ranks(self):
        frames = self.frames
        ranks = self.where.empty(frames.pass_lengths.size, np.int32)
        arrays = self.upload(frames.passes), self.upload(frames.pass_lengths), self.upload(self.distortions, float)
        half = frames.passes.size // 2
        for first, count in ((0, half), (half, frames.passes.size - half)):
            self.where.launch(
                rank_passes, count, first, frames.components, frames.codeblocks, frames.max_passes,
                self.upload(self.weights, float), *arrays, ranks,
            )  # fmt: skip
        return ranks

    def allocate(self, targets, by_distortion):
        frames, where = self.frames, self.where
        of_frame = frames.components * frames.codeblocks

        def state():
            nodes = where.empty(frames.num_frames * frames.components * frames.num_nodes * 4, np.int32)
            return nodes, where.empty(frames.num_frames * of_frame * 2, np.int32)

        layer_passes = where.empty(frames.num_frames * frames.layers * of_frame, np.int32)
        status = where.empty(frames.num_frames * frames.layers, np.int32)
        where.launch(
            allocate_layers, frames.num_frames, len(frames.precincts) - 1, frames.components, frames.layers,
            frames.codeblocks, len(frames.shapes), frames.num_nodes, frames.max_passes, 0, 0, 0, int(by_distortion),
            self.slot_bytes, *map(self.upload, (frames.precincts, frames.bands, frames.tree, frames.zeros)),
            *map(self.upload, (frames.passes, frames.lengths, frames.pass_lengths)), self.upload(self.weights, float),
            self.upload(self.distortions, float), self.ranks(), self.upload(targets, float),
            self.upload(self.rests, float), layer_passes, *state(), *state(),
            where.empty(frames.num_frames * self.slot_bytes, np.uint8), status,
        )  # fmt: skip
        shape = (frames.num_frames, frames.layers, of_frame)
        return where.download(layer_passes).reshape(shape), where.download(status).reshape(shape[:2])

    def hulls(self, frame):
        """Return the corners of each codeblock's hull."""
        frames = self.frames
        return [
            hull(
                frames.pass_lengths[frame, member, : frames.passes[frame, member]].tolist(),
                (self.distortions[frame, member] * self.member_weights[member]).tolist(),
            )
            for member in range(len(self.member_weights))
        ]

    def taken(self, frame, passes):
        """Return the squared error that passes take away."""
        every = np.concatenate([np.zeros((len(passes), 1)), self.distortions[frame]], axis=1)
        return float((every[np.arange(len(passes)), passes] * self.member_weights).sum())

    def written(self, frame, layer_passes):
        """Return the bytes of some layers' packets."""
        frames = self.frames
        kept, kept_layers = frames.layer_passes, frames.layers
        frames.layer_passes, frames.layers = np.repeat(layer_passes[None], frames.num_frames, axis=0), len(layer_passes)
        length = sum(len(head) + len(body) for head, body in frames.expected(frame, 0, 0, 0))
        frames.layer_passes, frames.layers = kept, kept_layers
        return length


@pytest.mark.parametrize("seed", SEEDS)
def test_layers_are_filled_down_to_the_lowest_slope_that_fits(where, seed):
    coded = Coded(where, seed, layers=3)
    frames = coded.frames
    bodies = frames.lengths.sum(axis=1).astype(float)
    targets = np.stack([bodies * 0.2 + 40, bodies * 0.5 + 70, bodies * 0.8 + 100], axis=1)
    found, status = coded.allocate(targets, by_distortion=False)
    for frame in range(frames.num_frames):
        hulls = coded.hulls(frame)
        slopes = sorted({slope for corners in hulls for _, slope in corners}, reverse=True)
        chosen = []
        for layer in range(3):
            before = chosen[-1] if chosen else np.zeros(len(hulls), np.int32)
            best = before
            for slope in slopes:
                passes = np.maximum(before, [passes_at(corners, slope) for corners in hulls]).astype(np.int32)
                if coded.written(frame, np.stack([*chosen, passes])) > targets[frame, layer]:
                    break
                best = passes
            chosen.append(best)
            fits = coded.written(frame, np.stack(chosen)) <= targets[frame, layer]
            assert status[frame, layer] == (0 if fits else 1)
        np.testing.assert_array_equal(found[frame], np.stack(chosen))


@pytest.mark.parametrize("seed", SEEDS)
def test_layers_take_away_just_enough_squared_error(where, seed):
    coded = Coded(where, seed, layers=3)
    frames = coded.frames
    total = np.array([
        (coded.rests[frame] * coded.member_weights).sum() + coded.taken(frame, frames.passes[frame])
        for frame in range(frames.num_frames)
    ])  # fmt: skip
    targets = np.stack([total * 0.6, total * 0.3, np.full_like(total, -1)], axis=1)
    found, status = coded.allocate(targets, by_distortion=True)
    assert not status.any()
    for frame in range(frames.num_frames):
        hulls = coded.hulls(frame)
        before = np.zeros(len(hulls), np.int32)
        for layer in range(2):
            passes, enough = found[frame, layer], total[frame] - targets[frame, layer]
            assert (passes >= before).all()
            least = least_by_slope(coded, frame, hulls, before, enough)
            assert (passes <= least).all()
            if coded.taken(frame, least) >= enough:
                assert coded.taken(frame, passes) >= enough * (1 - 1e-9)
                for member in np.flatnonzero(passes > before):
                    fewer = passes - (np.arange(len(passes)) == member)
                    assert coded.taken(frame, fewer) < enough * (1 + 1e-9)
            before = passes
        np.testing.assert_array_equal(found[frame, 2], np.maximum(before, frames.passes[frame]))


def least_by_slope(coded, frame, hulls, before, enough):
    """Return the passes worth the highest slope that is enough, all that gain anything if none is."""
    passes = before
    for slope in sorted({slope for corners in hulls for _, slope in corners}, reverse=True):
        passes = np.maximum(before, [passes_at(corners, slope) for corners in hulls])
        if coded.taken(frame, passes) >= enough:
            return passes
    return coded.frames.passes[frame]


@pytest.mark.parametrize("fraction_bits", [0, 3, 6])
def test_what_all_passes_leave_is_measured(where, fraction_bits):
    random = np.random.default_rng(fraction_bits)
    planes = random.integers(-5000, 5000, (2, 20, 30)).astype(np.int32)
    blocks = [(0, 0, 16, 16, 1), (16, 3, 14, 17, 2), (5, 0, 1, 1, 0)]
    table = np.array([[*block, 9] for block in blocks], np.int32)
    weights = np.array([1.0, 0.25, 7.0])
    rests = where.empty(6, np.float64)
    where.launch(
        measure_rest, 6, where.upload(planes.reshape(-1)), 600, 30, where.upload(table.reshape(-1)),
        where.upload(weights), 3, fraction_bits, rests,
    )  # fmt: skip
    step = 1 << fraction_bits
    index = np.abs(planes) // step
    middle = np.where(index > 0, index + (0.5 if fraction_bits else 0), 0) * np.sign(planes)
    errors = (planes / step - middle) ** 2
    expected = [
        errors[plane, y : y + height, x : x + width].sum() * weight
        for plane in range(2)
        for (x, y, width, height, _), weight in zip(blocks, weights, strict=True)
    ]
    np.testing.assert_allclose(where.download(rests), expected, rtol=1e-12)
