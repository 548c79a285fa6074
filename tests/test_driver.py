"""What NVIDIA's driver is asked, with a stand-in for its library."""

import pytest

from gpucodec import driver
from gpucodec.driver import Driver, Gpu, ask_driver, load_driver


class StandIn:
    """As much of libcuda as is asked, for GPUs of (name, major, minor, multiprocessors)."""

    def __init__(self, *gpus: tuple[str, int, int, int], version: int = 12040, status: int = 0) -> None:
        self.gpus, self.version, self.status, self.calls = gpus, version, status, []

    def cuDriverGetVersion(self, version) -> int:  # noqa: N802 - CUDA's own names
        version._obj.value = self.version
        return 0

    def cuInit(self, flags) -> int:  # noqa: N802
        self.calls.append("cuInit")
        return self.status

    def cuDeviceGetCount(self, count) -> int:  # noqa: N802
        assert self.calls == ["cuInit"]
        count._obj.value = len(self.gpus)
        return 0

    def cuDeviceGet(self, device, number) -> int:  # noqa: N802
        device._obj.value = number + 100
        return 0

    def cuDeviceGetName(self, name, size, device) -> int:  # noqa: N802
        name.value = self.gpus[device.value - 100][0].encode()
        return 0

    def cuDeviceGetAttribute(self, value, what, device) -> int:  # noqa: N802
        value._obj.value = self.gpus[device.value - 100][{75: 1, 76: 2, 16: 3}[what]]
        return 0


def test_every_gpu_is_described() -> None:
    found = ask_driver(lambda: StandIn(("Tesla T4", 7, 5, 40), ("NVIDIA H100", 9, 0, 132), version=13000))
    assert (found.error, found.version, found.status) == ("", 13000, 0)
    assert found.gpus == (Gpu(0, "Tesla T4", (7, 5), 40), Gpu(1, "NVIDIA H100", (9, 0), 132))
    assert found.gpus[1].architecture == "9.0"


def test_a_driver_that_fails_is_asked_no_more() -> None:
    found = ask_driver(lambda: StandIn(("Tesla T4", 7, 5, 40), status=999))
    assert (found.version, found.status, found.gpus) == (12040, 999, ())


@pytest.mark.parametrize(
    ("library", "message"),
    [
        ("libcuda.so.1", "libcuda.so.1: cannot open shared object file: No such file or directory"),
        ("libcuda.so.1", "Error loading shared library libcuda.so.1: No such file or directory"),
        ("libcuda.so.1", "dlopen(libcuda.so.1, 0x0006): tried: 'libcuda.so.1' (no such file), '/usr/lib/libcuda.so.1'"),
        ("nvcuda.dll", "Could not find module 'nvcuda.dll' (or one of its dependencies)."),
    ],
)
def test_no_library_is_no_driver(monkeypatch: pytest.MonkeyPatch, library: str, message: str) -> None:
    def load():
        raise OSError(message)

    monkeypatch.setattr(driver, "LIBRARY", library)
    assert ask_driver(load).library == ""


@pytest.mark.parametrize(
    "error",
    [
        OSError("libcuda.so.1: file too short"),
        OSError("libnvidia-ptx.so.1: cannot open shared object file: No such file or directory"),
        AttributeError("cuInit"),
    ],
)
def test_a_library_that_is_no_driver_is_told(error: Exception) -> None:
    def load():
        if isinstance(error, OSError):
            raise error
        return object()

    found = ask_driver(load)
    assert found.library
    assert found.error
    assert found.gpus == ()


def test_this_machine_can_be_asked() -> None:
    found = ask_driver()
    assert isinstance(found, Driver)
    try:
        load_driver()
    except OSError:
        assert found.gpus == ()
    else:
        assert found.library


def test_device_files_show_the_kernel_module(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(driver, "_NODES", (str(tmp_path / "nvidia0"),))
    assert ask_driver(lambda: StandIn()).has_nodes
