"""What every kernel test needs: where kernels run in this process, and how many examples that can afford."""

import pytest
from gpucodec_kernels.target import simulator_enabled
from hypothesis import settings

from gpucodec.backends import Executor, executor, why_unavailable

# The simulator computes each index in Python, in a thread of its own.
settings.register_profile("kernels", max_examples=10 if simulator_enabled() else 300, deadline=None)

# The simulator stands in for CUDA in the whole process, so that it has a run of its own.
_TARGETS = ["simulator"] if simulator_enabled() else ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(scope="session", params=_TARGETS)
def where(request: pytest.FixtureRequest) -> Executor:
    """Return the executor under test."""
    if reason := why_unavailable(request.param):
        pytest.skip(f"GPU test not run: {reason}")
    return executor(request.param)
