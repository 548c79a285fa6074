import pytest

from gpucodec.libraries import pool


@pytest.fixture(autouse=True, scope="module")
def no_workers_left():
    yield
    pool.shutdown()
