"""Random frames of codeblocks as tier-2 kernels read them, and as the plain writer of packets does."""

import numpy as np
from gpucodec_kernels.target import simulator_enabled

from tests.reference.packet_writing import Band, Bits

FEW = simulator_enabled()


def tree_of(wide, high):
    """Return a tag tree's levels as kernels read them, and its number of nodes."""
    levels, nodes = [], 0
    while True:
        levels.append((nodes, wide))
        nodes += wide * high
        if wide * high == 1:
            return levels, nodes
        wide, high = (wide + 1) // 2, (high + 1) // 2


class Frames:
    """Random frames of some precincts with bands of random shapes, described for kernels and for the plain writer."""

    def __init__(self, seed, *, num_frames=2, components=2, layers=3, style=0, max_passes=22):
        random = np.random.default_rng(seed)
        self.random, self.style, self.layers, self.max_passes = random, style, layers, max_passes
        self.num_frames, self.components = num_frames, components
        most = 3 if FEW else 5
        self.precincts = [0]
        shapes = []
        for bands in (1, 3, 3):
            shapes += [tuple(random.integers(0, most, 2)) for _ in range(bands)]
            self.precincts.append(len(shapes))
        self.shapes = [(int(wide), int(high)) for wide, high in shapes]
        self.bands, self.tree, self.num_nodes, self.codeblocks = [], [], 0, 0
        for wide, high in self.shapes:
            self.bands.append((self.codeblocks, wide, high, len(self.tree)))
            self.codeblocks += wide * high
            if wide * high:
                levels, nodes = tree_of(wide, high)
                self.tree += [(self.num_nodes + first, across) for first, across in levels]
                self.num_nodes += nodes
        self.bands.append((self.codeblocks, 0, 0, len(self.tree)))
        self._draw()

    def _draw(self):
        random, of_frame = self.random, self.components * self.codeblocks
        shape = (self.num_frames, of_frame)
        self.zeros = random.integers(1, 20, shape).astype(np.int32)
        self.passes = random.integers(0, self.max_passes + 1, shape).astype(np.int32)
        new = random.integers(0, 400, (*shape, self.max_passes)) * random.integers(0, 2, (*shape, self.max_passes))
        self.pass_lengths = np.cumsum(new, axis=-1).astype(np.int32)
        last = np.maximum(self.passes - 1, 0)[..., None]
        self.lengths = np.where(self.passes > 0, np.take_along_axis(self.pass_lengths, last, -1)[..., 0], 0)
        shares = np.sort(random.random((self.num_frames, self.layers, of_frame)), axis=1)
        shares[:, 0] *= random.random(shares[:, 0].shape) > 0.4
        self.layer_passes = (shares * (self.passes[:, None] + 1)).astype(np.int32)

    @property
    def packets(self):
        """The packets: layers, then precincts, then components; the kernel takes them in any order."""
        return [
            (layer, component, precinct)
            for layer in range(self.layers)
            for precinct in range(3)
            for component in range(self.components)
        ]

    def expected(self, frame, slack, sop, eph):
        """Return header and body of each packet."""
        raised = max(0, int((slack - self.zeros[frame]).max())) - slack
        bands = {
            (component, number): self._band(frame, component, number, raised)
            for component in range(self.components)
            for number in range(len(self.shapes))
        }
        for number, (layer, component, precinct) in enumerate(self.packets):
            bits = Bits()
            bits.put(1, 1)
            numbers = range(self.precincts[precinct], self.precincts[precinct + 1])
            for band in numbers:
                bands[component, band].put(bits, layer, self.style)
            marked = (b"\xff\x91\0\4" + number.to_bytes(2, "big")) * sop + bits.finished() + b"\xff\x92" * eph
            yield marked, b"".join(self._bodies(frame, layer, component, numbers))

    def _band(self, frame, component, number, raised):
        first, wide, high, _ = self.bands[number]
        members = slice(component * self.codeblocks + first, component * self.codeblocks + first + wide * high)
        return Band(
            wide,
            high,
            (self.zeros[frame, members] + raised).tolist(),
            self.layer_passes[frame, :, members].tolist(),
            self.pass_lengths[frame, members].tolist(),
        )

    def coded(self, frame, member):
        """Return the bytes of a codeblock."""
        return np.random.default_rng(frame * 1000 + member).integers(0, 256, self.lengths[frame, member], np.uint8)

    def _bodies(self, frame, layer, component, numbers):
        begin, end = (component * self.codeblocks + self.bands[number][0] for number in (numbers[0], numbers[-1] + 1))
        for member in range(begin, end):
            ends = [0, *self.pass_lengths[frame, member].tolist()]
            before = self.layer_passes[frame, layer - 1, member] if layer else 0
            yield self.coded(frame, member)[ends[before] : ends[self.layer_passes[frame, layer, member]]].tobytes()
