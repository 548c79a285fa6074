"""A machine with GPUs that are not there, and gpucodec using them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator

import pytest
from gpucodec_kernels import target

from gpucodec import backends
from gpucodec.driver import Driver, Gpu
from tests.device import cupy_stand_in, current, launching
from tests.device.machine import Machine


def _forget() -> None:
    """Let everything that depends on the GPUs be found out anew."""
    from gpucodec.codestream import j2k_plan

    for cached in vars(backends).values():
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()
    j2k_plan._kept.clear()


def _answer() -> Driver:
    """Stand in for the driver."""
    gpus = [Gpu(device.number, "a GPU that is not there", (9, 0), 2) for device in current.machine().devices]
    return Driver("libcuda.so.1", has_nodes=True, version=13000, gpus=tuple(gpus))


@pytest.fixture
def new_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Machine]]:
    """Make the machine that gpucodec finds from then on."""
    import numba.cuda

    monkeypatch.setitem(sys.modules, "cupy", cupy_stand_in)
    monkeypatch.setattr(numba.cuda, "is_available", lambda: True)
    monkeypatch.setattr(numba.cuda, "external_stream", launching.external_stream)
    monkeypatch.setattr(numba.cuda, "gpus", launching.NumbaDevices())
    monkeypatch.setattr(target.Kernel, "compiled", launching.compiled)

    monkeypatch.setattr(backends, "ask_driver", _answer)

    def make(num_devices: int = 1, schedule: str = "late", **keywords: int) -> Machine:
        made = Machine(num_devices, schedule, **keywords)
        current.set_machine(made)
        _forget()
        return made

    yield make
    _forget()
    gc.collect()


@pytest.fixture
def late_machine(new_machine: Callable[..., Machine]) -> Machine:
    """One GPU, which does everything as late as it may."""
    return new_machine()


@pytest.fixture(params=["late", "others first", "random"])
def machine(new_machine: Callable[..., Machine], request: pytest.FixtureRequest) -> Machine:
    """One GPU, on each of the schedules that put work off."""
    return new_machine(1, request.param)
