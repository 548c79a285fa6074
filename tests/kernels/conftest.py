"""What every kernel test needs: where kernels run in this process, and how many examples that can afford."""

import pytest
from gpucodec_kernels.target import simulator_enabled
from hypothesis import settings

from gpucodec.backends import Executor, executor

# The simulator computes each index in Python, in a thread of its own.
settings.register_profile("kernels", max_examples=10 if simulator_enabled() else 300, deadline=None)


@pytest.fixture(scope="session")
def where() -> Executor:
    """Return the executor under test: the simulator in its own process, else the CPU."""
    return executor("simulator" if simulator_enabled() else "cpu")
