"""Each fault that a GPU may have: found in the facts, named with its cure."""

from dataclasses import replace

import pytest

from gpucodec.diagnosis import _STATUSES, Facts, Module, Trial, diagnose, worth_a_trial
from gpucodec.driver import Driver, Gpu

T4, GTX, A100 = Gpu(0, "Tesla T4", (7, 5), 40), Gpu(1, "GeForce GTX 1080", (6, 1), 20), Gpu(2, "A100", (8, 0), 108)
DRIVER = Driver("libcuda.so.1", "", True, 12040, 0, (T4,))
GOOD = Facts(
    driver=DRIVER,
    cupy=Module(found=True, cuda=12),
    numba_cuda=Module(found=True, cuda=12),
    packages={"cupy-cuda12x": "14.0", "numba-cuda": "0.30", "cuda-bindings": "12.9"},
    trials={0: Trial()},
)
NO_GPU = replace(DRIVER, gpus=())


def facts(**changes) -> Facts:
    return replace(GOOD, **changes)


def test_a_good_machine_has_no_fault() -> None:
    found = diagnose(GOOD)
    assert (found.faults, found.usable, found.reachable, found.expected) == ((), (T4,), (T4,), True)
    assert found.why_not() == found.why_not(kernels=False) == ""
    assert worth_a_trial(GOOD) == {T4: True}


def old_driver(version: int, cuda: int) -> Facts:
    made_for = Module(found=True, cuda=cuda)
    return facts(driver=replace(DRIVER, version=version), cupy=made_for, numba_cuda=made_for)


# Name of the fault -> (facts, words of what is wrong, words of the cure).
FAULTS = {
    "simulator": (facts(simulator=True), "simulator", "unset NUMBA_ENABLE_CUDASIM"),
    "no driver": (facts(driver=Driver()), "no NVIDIA driver was found", "install NVIDIA's driver"),
    "no driver in a container": (facts(driver=Driver(has_nodes=True)), "no NVIDIA driver", "--gpus all"),
    "broken driver": (facts(driver=Driver("libcuda.so.1", "too short")), "(too short)", "driver again"),
    "old driver, for one of both": (
        facts(numba_cuda=Module(found=True, cuda=13)),
        "serves CUDA 12.4, numba-cuda is made for CUDA 13",
        "install gpucodec[cuda12]",
    ),
    "old driver": (old_driver(12020, 13), "serves CUDA 12.2, CuPy is made for CUDA 13", "install gpucodec[cuda12]"),
    "old driver, older": (old_driver(11080, 12), "serves CUDA 11.8", "update the driver"),
    "no device": (facts(driver=replace(NO_GPU, status=100)), "but no GPU", "nvidia-smi"),
    "no device counted": (facts(driver=NO_GPU), "but no GPU", "nvidia-smi"),
    "hidden devices": (facts(driver=replace(NO_GPU, status=100), visible=""), 'CUDA_VISIBLE_DEVICES is ""', "unset it"),
    "hidden devices, named": (facts(driver=NO_GPU, visible="7"), 'CUDA_VISIBLE_DEVICES is "7"', "name a GPU"),
    "driver fails": (facts(driver=replace(NO_GPU, status=803)), "fails with 803: its library and", "reboot"),
    "driver fails, unheard of": (facts(driver=replace(NO_GPU, status=12345)), "fails with 12345", "system's log"),
    "no CuPy": (facts(cupy=Module()), "CuPy is not installed", "install gpucodec[cuda12] or gpucodec[cuda13]"),
    "broken CuPy": (facts(cupy=Module(found=True, error="DLL load failed")), "imported (DLL load failed)", "anew"),
    "several CuPys": (
        facts(packages={"cupy-cuda12x": "13", "cupy-cuda13x": "14"}, cupy=Module(found=True, error="undefined symbol")),
        "cupy-cuda12x and cupy-cuda13x are both installed",
        "uninstall all of them",
    ),
    "no numba-cuda": (facts(numba_cuda=Module()), "numba-cuda is not installed", "install gpucodec[cuda12]"),
    "broken numba-cuda": (facts(numba_cuda=Module(found=True, error="no bindings")), "(no bindings)", "anew"),
    "old GPU": (facts(driver=replace(DRIVER, gpus=(GTX,)), trials={1: Trial()}), "GTX 1080 (GPU 1) has 6.1", "CPU"),
    "no copies": (facts(trials={0: Trial("copy", "out of memory")}), "Tesla T4", "nvidia-smi"),
    "CuPy fails": (facts(trials={0: Trial("cupy", "no libnvrtc")}), "no libnvrtc", "with CUDA's compiler"),
    "CuPy fails, for another CUDA": (
        facts(
            driver=replace(DRIVER, version=13000),
            trials={0: Trial("cupy", "no libnvrtc.so.12")},
            numba_cuda=Module(found=True, cuda=13),
        ),
        "no libnvrtc.so.12",
        "uninstall the packages for the other CUDA",
    ),
    "kernel does not compile": (facts(trials={0: Trial("compile", "no sm_75")}), "for GPU 0 (Tesla T4", "driver"),
    "kernel does not run": (facts(trials={0: Trial("run", "[719]")}), "did not run on GPU 0", "update NVIDIA's driver"),
    "wrong values": (facts(trials={0: Trial("values", "[0, 0, 0]")}), "wrong values came back", "memory errors"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_each_fault_is_named_with_its_cure(case: str) -> None:
    known, what, cure = FAULTS[case]
    found = diagnose(known)
    name = case.partition(",")[0].removesuffix(" in a container").removesuffix(" counted")
    (fault,) = [each for each in found.faults if each.name == name]
    assert what in fault.what
    assert cure in fault.cure
    assert found.usable == ()
    assert str(fault) in found.why_not()


@pytest.mark.parametrize("case", FAULTS)
def test_what_stops_kernels_alone_does_not_stop_libraries(case: str) -> None:
    known = FAULTS[case][0]
    kernels_only = {"simulator", "no numba-cuda", "broken numba-cuda", "old GPU"}
    kernels_only |= {"kernel does not compile", "kernel does not run", "old driver, for one of both"}
    assert (diagnose(known).why_not(kernels=False) == "") == (case in kernels_only)


@pytest.mark.parametrize("status", _STATUSES)
def test_the_drivers_own_failures_have_cures(status: int) -> None:
    (fault,) = diagnose(facts(driver=replace(NO_GPU, status=status), visible="0")).faults
    assert f"fails with {status}: {_STATUSES[status][0]}" in fault.what
    assert 'CUDA_VISIBLE_DEVICES is "0"' in fault.what


def test_a_newer_driver_serves_older_packages() -> None:
    known = facts(driver=replace(DRIVER, version=13010))
    assert diagnose(known).faults == ()
    assert diagnose(facts(driver=replace(DRIVER, version=12000))).faults == ()  # within a major version any will do


def test_two_cudas_that_work_are_told_and_used() -> None:
    found = diagnose(facts(driver=replace(DRIVER, version=13000), numba_cuda=Module(found=True, cuda=13)))
    assert [fault.name for fault in found.faults] == ["two CUDAs"]
    assert found.usable == (T4,)
    assert found.why_not() == ""


def test_two_cudas_are_named_as_the_cause_only_of_what_they_may_cause() -> None:
    two = {"driver": replace(DRIVER, version=13000), "numba_cuda": Module(found=True, cuda=13)}
    cure = "uninstall the packages for the other CUDA"
    assert cure in diagnose(facts(**two, trials={0: Trial("run", "[222]")})).why_not()
    assert cure not in diagnose(facts(**two, trials={0: Trial("copy", "out of memory")})).why_not()


def test_several_cupys_that_work_are_told_and_used() -> None:
    found = diagnose(facts(packages={"cupy-cuda12x": "13", "cupy-cuda13x": "14"}))
    assert [fault.name for fault in found.faults] == ["several CuPys"]
    assert found.usable == (T4,)


def test_one_bad_gpu_of_several_is_told_and_left_out() -> None:
    several = replace(DRIVER, gpus=(T4, GTX, A100))
    found = diagnose(facts(driver=several, trials={0: Trial("values", "[0]"), 1: Trial(), 2: Trial()}))
    assert [fault.name for fault in found.faults] == ["old GPU", "wrong values"]
    assert (found.usable, found.reachable) == ((A100,), (GTX, A100))
    assert worth_a_trial(facts(driver=several)) == {T4: True, GTX: False, A100: True}
    none = diagnose(facts(driver=several, trials={0: Trial("values", "[0]"), 1: Trial(), 2: Trial("run", "[719]")}))
    assert none.usable == ()
    assert all(words in none.why_not() for words in ("GTX 1080", "wrong values", "did not run on GPU 2"))


def test_nothing_is_tried_where_something_speaks_against_it() -> None:
    assert worth_a_trial(facts(driver=Driver())) == {}
    assert worth_a_trial(facts(cupy=Module())) == {}
    assert worth_a_trial(facts(numba_cuda=Module())) == {T4: False}


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (Facts(), False),
        (Facts(numba_cuda=Module(found=True)), False),
        (Facts(cupy=Module(found=True)), True),
        (Facts(driver=Driver(has_nodes=True)), True),
        (Facts(driver=NO_GPU), True),
        (facts(simulator=True), False),
    ],
)
def test_a_gpu_is_expected_where_there_is_a_sign_of_one(known: Facts, expected: bool) -> None:
    assert diagnose(known).expected is expected
