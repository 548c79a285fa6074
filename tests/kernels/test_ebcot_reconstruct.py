"""What decoders make of truncated codeblocks, against a plain scan with T.800 D.1's and D.3's states."""

import numpy as np
import pytest
from gpucodec_kernels.ebcot.reconstruct import reconstruct_codeblock
from gpucodec_kernels.target import simulator_enabled

pytestmark = pytest.mark.kernel

FRACTION_BITS = 6
SIZES = [(1, 1), (4, 4), (5, 9), (13, 6)] if simulator_enabled() else [(1, 1), (4, 4), (5, 9), (13, 6), (32, 33)]


def reconstructed(block, planes, passes, fraction_bits, causal):
    """Go through the coding passes one by one, and put what is known into the middle of what it may be."""
    height, width = block.shape
    magnitude = np.abs(block) >> fraction_bits
    significant = np.zeros((height + 2, width + 2), bool)
    known = np.full(block.shape, planes)  # the lowest bit-plane that is known
    done = 0
    for plane in range(planes - 1, -1, -1):
        visited = np.zeros(block.shape, bool)
        for kind in ("significance", "refinement", "cleanup") if plane < planes - 1 else ("cleanup",):
            if done == passes:
                break
            done += 1
            before = significant.copy()
            for y, x in scan(height, width):
                visit(kind, plane, x, y, magnitude, significant, before, visited, causal)
            known[significant[1:-1, 1:-1] & (visited | (kind == "cleanup"))] = plane
    return middle(block, known, significant[1:-1, 1:-1], fraction_bits)


def scan(height, width):
    """Yield rows and columns in the order of D.1: stripes of four rows, column by column."""
    for top in range(0, height, 4):
        for x in range(width):
            yield from ((y, x) for y in range(top, min(top + 4, height)))


def visit(kind, plane, x, y, magnitude, significant, before, visited, causal):
    here = (y + 1, x + 1)
    if kind == "refinement":
        visited[y, x] |= before[here]
        return
    if significant[here] or visited[y, x]:
        return
    window = significant[y : y + 3, x : x + 3].copy()
    if causal and y % 4 == 3:
        window[2] = False
    if kind == "significance" and not window.any():
        return
    visited[y, x] = True
    significant[here] = magnitude[y, x] >> plane & 1


def middle(block, known, significant, fraction_bits):
    position = known + fraction_bits
    magnitude = np.abs(block) >> position << position
    half = np.where(position > 0, 1 << np.maximum(position - 1, 0), 0)
    return np.where(significant, np.sign(block) * (magnitude + half), 0)


def launch(where, blocks, planes, passes, fraction_bits, causal, in_place):
    """Reconstruct codeblocks of two planes of two frames, the second frame alone, in the second of two layers."""
    num_frames, components, height, width = blocks.shape
    table = np.array([0, 0, width, height, 0, 25], np.int32)
    zero_bitplanes = np.full(num_frames * components, 25 - planes, np.int32)
    kept = np.zeros((num_frames, 2, components), np.int32)
    kept[:, 1] = passes
    frames = np.arange(num_frames) if in_place else np.array([1])
    coefficients = where.upload(blocks.reshape(-1).astype(np.int32))
    decoded = coefficients if in_place else where.upload(np.full(components * height * width, 77, np.int32))
    where.launch(
        reconstruct_codeblock, len(frames) * components, where.upload(frames.astype(np.int32)), coefficients,
        height * width, width, where.upload(table), 1, components, 1, 2, fraction_bits, where.upload(zero_bitplanes),
        where.upload(kept.reshape(-1)), int(causal), decoded,
    )  # fmt: skip
    return where.download(decoded).reshape(len(frames), components, height, width)[-1]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("fraction_bits", [0, FRACTION_BITS])
@pytest.mark.parametrize("causal", [False, True])
def test_each_number_of_passes_is_what_the_scan_says(where, shape, fraction_bits, causal):
    random = np.random.default_rng(shape[0] * 100 + shape[1] + fraction_bits)
    planes = 4
    # Most coefficients are small, so that there is something for the significance propagation pass to find.
    sizes = random.integers(0, planes + fraction_bits + 1, (2, 2, *shape))
    blocks = random.integers(0, 1 << 30, (2, 2, *shape)) % (1 << sizes) * random.choice([-1, 1], (2, 2, *shape))
    for passes in range(3 * planes - 1):
        expected = np.stack([reconstructed(block, planes, passes, fraction_bits, causal) for block in blocks[1]])
        for in_place in (False, True):
            found = launch(where, blocks, planes, passes, fraction_bits, causal, in_place)
            np.testing.assert_array_equal(found, expected, err_msg=f"{passes} passes, in place {in_place}")
