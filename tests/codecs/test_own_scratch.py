"""Scratch of large frames."""

import gc
import weakref

import numpy as np
from gpucodec_kernels.target import simulator_enabled

from gpucodec.backends import Executor, executor
from gpucodec.codecs.own_scratch import forget_scratch, with_own_scratch

HOST = Executor("cpu")
LARGE = 9 << 20


def test_small_frames_and_devices_keep_theirs():
    assert with_own_scratch(HOST, 1 << 20) is HOST
    device = Executor("simulator")
    assert with_own_scratch(device, LARGE) is device
    kept = HOST.scratch("own scratch test", 100, np.int32)
    forget_scratch(HOST)
    assert HOST.scratch("own scratch test", 100, np.int32).ctypes.data == kept.ctypes.data


def test_large_frames_have_their_own_until_it_is_forgotten():
    where = with_own_scratch(HOST, LARGE)
    first = where.scratch("a", 1 << 20, np.int32)
    first[:] = 7
    assert (where.scratch("a", 1 << 19, np.int32) == 7).all()
    assert not np.shares_memory(where.scratch("b", 1 << 20, np.int32), first)
    assert where.scratch("a", 1 << 21, np.int32).size == 1 << 21
    assert where.scratch("a", 100, np.float64).dtype == np.float64
    gone = weakref.ref(where.scratch("b", 1 << 20, np.int32).base)
    forget_scratch(where)
    gc.collect()
    assert gone() is None


def test_kernels_run_as_elsewhere():
    backend = "simulator" if simulator_enabled() else "cpu"
    assert with_own_scratch(executor("cpu"), LARGE).backend == "cpu"
    assert with_own_scratch(executor(backend), LARGE).backend == backend
