"""A sample of the sweep over JPEG 2000 lossless, of small frames and one of each larger size."""

import pytest
from gpucodec_kernels.target import simulator_enabled

from tests.fuzz import jpeg2000_sweep

_SMALL = [case for case in jpeg2000_sweep.cases() if case.size[0] * case.size[1] < 150_000]
_LARGER = [
    jpeg2000_sweep.Case((512, 512), 24, True, "YBR_RCT", 3, "smooth"),
    jpeg2000_sweep.Case((1023, 1025), 12, False, "MONOCHROME2", 1, "edge"),
    jpeg2000_sweep.Case((2048, 2048), 8, False, "MONOCHROME2", 1, "zero"),
]


@pytest.mark.skipif(simulator_enabled(), reason="too many samples for the simulator")
@pytest.mark.parametrize("case", [*_SMALL[::19], *_LARGER], ids=str)
def test_a_frame_is_openjpegs_and_decodes_everywhere(case):
    assert jpeg2000_sweep.difference(case) == ""
