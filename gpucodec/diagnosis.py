"""Why a GPU cannot be used, and what helps: decided from facts alone, which `gpucodec.backends` gathers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gpucodec.driver import LIBRARY, Driver, Gpu

__all__ = [
    "OLDEST_ARCHITECTURE",
    "PACKAGES",
    "Diagnosis",
    "Facts",
    "Fault",
    "Module",
    "Trial",
    "diagnose",
    "worth_a_trial",
]

OLDEST_ARCHITECTURE = (7, 5)
CUPY_PACKAGES = ("cupy-cuda11x", "cupy-cuda12x", "cupy-cuda13x", "cupy")
# The distributions whose versions are facts.
PACKAGES = (*CUPY_PACKAGES, "numba-cuda", "cuda-bindings")

_CURE = "install gpucodec[cuda12] or gpucodec[cuda13]"
_DRIVER = "install NVIDIA's driver, or use the CPU"
_REBOOT = "reboot, or load the driver's kernel module again"

# CUresult of initialising the driver -> (what it means, what helps).
_STATUSES = {
    2: ("it has no memory left", "end other programs that use the GPU"),
    3: ("it is not initialised", _REBOOT),
    34: (
        "the library that was found is the stub of a CUDA toolkit, no driver",
        "take the toolkit's 'stubs' folder out of LD_LIBRARY_PATH",
    ),
    46: ("the GPU is in use by another process alone, or not available", "end that process, or ask for compute mode 0"),
    101: ("a device is not valid", "look at CUDA_VISIBLE_DEVICES and at nvidia-smi"),
    214: ("the GPU's memory has an error that cannot be corrected", "reset the GPU, or have it replaced"),
    304: ("the system did not let it", "look at the permissions of /dev/nvidia*"),
    802: ("the system is not ready", "start nvidia-fabricmanager, or wait until it has started"),
    803: ("its library and its kernel module are of different versions", _REBOOT),
    804: (
        "its forward compatibility library is not for this GPU",
        "take the 'compat' folder of CUDA out of LD_LIBRARY_PATH, or update the driver",
    ),
    999: ("it does not know why", _REBOOT),
}


@dataclass(frozen=True, slots=True)
class Module:
    """A package that is needed, as importing it showed.

    Parameters
    ----------
    found : bool
        Whether it is installed.
    error : str
        Why it cannot be imported, where it is installed; empty if it was not tried.
    cuda : int
        The major version of the CUDA that it was made for; 0 if it does not say.
    """

    found: bool = False
    error: str = ""
    cuda: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the tiny piece of work that a GPU was given.

    Parameters
    ----------
    stage : str
        ``"copy"``, ``"cupy"``, ``"compile"``, ``"run"`` or ``"values"`` for where it ended; empty if all was right.
    message : str
        What was said there.
    """

    stage: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known before anything is concluded.

    Parameters
    ----------
    driver : Driver
        What the driver said.
    cupy, numba_cuda : Module
        The two packages that the CUDA backend needs.
    packages : mapping of str to str
        Installed distributions of `PACKAGES` and their versions.
    visible : str, optional
        CUDA_VISIBLE_DEVICES; None if it is not set.
    simulator : bool
        Whether this process runs Numba's CUDA simulator.
    trials : mapping of int to Trial
        For each GPU that was tried, what became of it.
    """

    driver: Driver = field(default_factory=Driver)
    cupy: Module = field(default_factory=Module)
    numba_cuda: Module = field(default_factory=Module)
    packages: Mapping[str, str] = field(default_factory=dict)
    visible: str | None = None
    simulator: bool = False
    trials: Mapping[int, Trial] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Parameters
    ----------
    name : str
        What tests and programs know it by.
    what : str
        What is wrong.
    cure : str
        What helps.
    blocks : bool
        Whether no GPU is worth a trial because of it.
    kernels_only : bool
        Whether it stops our own kernels alone, and no library that works with CuPy's arrays.
    stops : bool
        Whether it stops anything; what does not may still be the cause of what does.
    """

    name: str
    what: str
    cure: str
    blocks: bool = True
    kernels_only: bool = False
    stops: bool = True

    def __str__(self) -> str:
        return f"{self.what}; {self.cure}"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the facts say.

    Parameters
    ----------
    faults : tuple of Fault
        What is wrong, the first cause first; also what is wrong with one GPU of several.
    usable : tuple of Gpu
        GPUs on which our kernels run.
    reachable : tuple of Gpu
        GPUs that CuPy can use.
    expected : bool
        Whether there is a sign that somebody wants to use a GPU here: a driver, a device file, or CuPy.
    """

    faults: tuple[Fault, ...]
    usable: tuple[Gpu, ...]
    reachable: tuple[Gpu, ...]
    expected: bool

    def why_not(self, *, kernels: bool = True) -> str:
        """Return why no GPU can be used, with the cures; an empty string when one can.

        Parameters
        ----------
        kernels : bool
            Whether our own kernels are to run there, or CuPy's arrays are enough.
        """
        if self.usable if kernels else self.reachable:
            return ""
        return ". ".join(str(fault) for fault in self.faults if fault.stops and (kernels or not fault.kernels_only))


def diagnose(facts: Facts) -> Diagnosis:
    """Conclude from facts what is wrong, and what helps."""
    before = tuple(_before_trial(facts))
    faults = before if _blocked(before) else (*before, *_trials(facts))
    stages = {gpu: facts.trials[gpu.number].stage for gpu in facts.driver.gpus if gpu.number in facts.trials}
    reachable = tuple(gpu for gpu, stage in stages.items() if stage in ("", "compile", "run"))
    usable = tuple(gpu for gpu in reachable if stages[gpu] == "" and _is_new_enough(gpu))
    if _blocked(before):
        usable = reachable = ()
    elif _blocked(before, kernels=True):
        usable = ()
    expected = bool(facts.driver.library or facts.driver.has_nodes or facts.cupy.found)
    return Diagnosis(faults, usable, reachable, expected and not facts.simulator)


def worth_a_trial(facts: Facts) -> dict[Gpu, bool]:
    """Return the GPUs worth a trial, those that nothing else speaks against, and whether kernels are to be tried."""
    faults = tuple(_before_trial(facts))
    if _blocked(faults):
        return {}
    kernels = not _blocked(faults, kernels=True)
    return {gpu: kernels and _is_new_enough(gpu) for gpu in facts.driver.gpus}


def _blocked(faults: Iterable[Fault], *, kernels: bool = False) -> bool:
    return any(fault.blocks and (kernels or not fault.kernels_only) for fault in faults)


def _is_new_enough(gpu: Gpu) -> bool:
    return gpu.compute_capability >= OLDEST_ARCHITECTURE


def _before_trial(facts: Facts) -> Iterator[Fault]:
    if facts.simulator:
        cure = "unset NUMBA_ENABLE_CUDASIM"
        yield Fault("simulator", "this process runs the CUDA simulator", cure, kernels_only=True)
    yield from _driver(facts)
    yield from _cupy(facts)
    yield from _numba_cuda(facts)
    yield from _architectures(facts)


def _driver(facts: Facts) -> Iterator[Fault]:
    driver = facts.driver
    if not driver.library:
        cure = "if this is a container, give it the GPU (docker run --gpus all)" if driver.has_nodes else _DRIVER
        yield Fault("no driver", f"no NVIDIA driver was found ({LIBRARY} is missing)", cure)
        return
    if driver.error:
        what = f"the library of NVIDIA's driver, {driver.library}, cannot be used ({driver.error})"
        yield Fault("broken driver", what, "install NVIDIA's driver again")
        return
    yield from _driver_age(facts)
    hidden = facts.visible is not None and f'CUDA_VISIBLE_DEVICES is "{facts.visible}"'
    if driver.status == 100 or (not driver.status and not driver.gpus):
        if hidden:
            yield Fault("hidden devices", f"the driver shows no GPU, {hidden}", "unset it, or name a GPU there")
        else:
            cure = "look at nvidia-smi; if this is a container, give it the GPU (docker run --gpus all)"
            yield Fault("no device", "there is an NVIDIA driver, but no GPU", cure)
    elif driver.status:
        what, cure = _STATUSES.get(driver.status, ("it does not say more", "look at nvidia-smi and the system's log"))
        also = f"; {hidden}" if hidden else ""
        yield Fault("driver fails", f"NVIDIA's driver fails with {driver.status}: {what}{also}", cure)


def _driver_age(facts: Facts) -> Iterator[Fault]:
    """Say so if the driver is older than the CUDA of what is installed; within a major version any will do."""
    needs = {"CuPy": facts.cupy.cuda, "numba-cuda": facts.numba_cuda.cuda}
    has = facts.driver.version // 1000
    newer = [f"{name} is made for CUDA {cuda}" for name, cuda in needs.items() if cuda > has > 0]
    if newer:
        version = f"{has}.{facts.driver.version % 1000 // 10}"
        cure = f"update the driver, or install gpucodec[cuda{has}]" if has >= 12 else "update the driver"
        what = f"the NVIDIA driver serves CUDA {version}, {' and '.join(newer)}"
        yield Fault("old driver", what, cure, kernels_only=facts.cupy.cuda <= has)


def _cupy(facts: Facts) -> Iterator[Fault]:
    installed = [name for name in CUPY_PACKAGES if name in facts.packages]
    if len(installed) > 1:
        what = f"{' and '.join(installed)} are both installed, and each has overwritten files of the other"
        remove = f"uninstall all of them, then install the one for your CUDA: {_CURE}"
        broken = bool(facts.cupy.error)
        yield Fault("several CuPys", what, remove, blocks=broken, stops=broken)
    if not facts.cupy.found:
        yield Fault("no CuPy", "CuPy is not installed", _CURE)
    elif facts.cupy.error:
        yield Fault("broken CuPy", f"CuPy cannot be imported ({facts.cupy.error})", f"{_CURE}, anew")


def _numba_cuda(facts: Facts) -> Iterator[Fault]:
    module = facts.numba_cuda
    if not module.found:
        yield Fault("no numba-cuda", "numba-cuda is not installed", _CURE, kernels_only=True)
    elif module.error:
        what = f"numba-cuda cannot be imported ({module.error})"
        yield Fault("broken numba-cuda", what, f"{_CURE}, anew", kernels_only=True)
    elif _are_for_two_cudas(facts):
        # Both may still work, where the driver serves the newer one: the trial shows.
        yield Fault("two CUDAs", *_two_cudas(facts), blocks=False, stops=False)


def _are_for_two_cudas(facts: Facts) -> bool:
    return 0 < facts.cupy.cuda != facts.numba_cuda.cuda > 0


def _two_cudas(facts: Facts) -> tuple[str, str]:
    what = f"CuPy is made for CUDA {facts.cupy.cuda}, numba-cuda's compiler is for CUDA {facts.numba_cuda.cuda}"
    return what, f"{_CURE}, and uninstall the packages for the other CUDA"


def _architectures(facts: Facts) -> Iterator[Fault]:
    gpus = facts.driver.gpus
    old = [gpu for gpu in gpus if not _is_new_enough(gpu)]
    if old:
        names = ", ".join(f"{gpu.name} (GPU {gpu.number}) has {gpu.architecture}" for gpu in old)
        least = "{}.{}".format(*OLDEST_ARCHITECTURE)
        what = f"kernels are made for compute capability {least} and above, {names}"
        yield Fault("old GPU", what, "use another GPU, or the CPU", blocks=len(old) == len(gpus), kernels_only=True)


def _trials(facts: Facts) -> Iterator[Fault]:
    for gpu in facts.driver.gpus:
        trial = facts.trials.get(gpu.number, Trial())
        if trial.stage:
            name, what, cure = _TRIALS[trial.stage]
            if trial.stage in ("cupy", "compile", "run") and _are_for_two_cudas(facts):
                cure = _two_cudas(facts)[1]
            place = f"GPU {gpu.number} ({gpu.name}, compute capability {gpu.architecture})"
            kernels_only = trial.stage in ("compile", "run")
            yield Fault(name, f"{what.format(place)}: {trial.message}", cure, False, kernels_only)


# Where a trial ended -> (the fault's name, what, what helps).
_TRIALS = {
    "copy": (
        "no copies",
        "CuPy cannot use {}",
        "look at nvidia-smi: is the GPU's memory in use, is it in another's use alone? Update NVIDIA's driver",
    ),
    "cupy": ("CuPy fails", "CuPy cannot compile and run a kernel of its own on {}", f"{_CURE}, with CUDA's compiler"),
    "compile": (
        "kernel does not compile",
        "a kernel cannot be compiled for {}",
        f"{_CURE}, with CUDA's compiler, or update NVIDIA's driver",
    ),
    "run": (
        "kernel does not run",
        "a kernel did not run on {}",
        "update NVIDIA's driver, or install the extra for the CUDA that it serves",
    ),
    "values": (
        "wrong values",
        "wrong values came back from {}",
        "use another GPU or the CPU: look at nvidia-smi -q for memory errors, and update NVIDIA's driver",
    ),
}
