"""What the CUDA compilers make of each kernel: registers, memory, spills, and how wide its arithmetic is."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import pkgutil
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import gpucodec_kernels
from gpucodec_kernels.sources import fingerprint
from gpucodec_kernels.target import THREADS_PER_BLOCK, BlockKernel, Kernel, compile_ptx

from benchmarks import kernel_arithmetic
from benchmarks.kernel_arithmetic import inner_arithmetic

__all__ = ["KEPT", "Usage", "all_kernels", "assemble", "gpu_kernels", "kept_usage", "threads_of", "usage_of"]

KEPT = Path(__file__).parent.parent / "build" / "kernel_report"


@dataclass(frozen=True)
class Usage:
    """What the compilers say of one kernel on one architecture.

    Parameters
    ----------
    registers : int
        Of a thread.
    stack, spill_stores, spill_loads, shared : int
        Bytes: of a thread, and of a block.
    loops, narrow, wide, address : int
        Inner loops, and their integer instructions: of up to 32 bits, of 64 bits, and those for addresses alone.
    """

    registers: int
    stack: int
    spill_stores: int
    spill_loads: int
    shared: int
    loops: int
    narrow: int
    wide: int
    address: int

    @property
    def spills(self) -> int:
        """Bytes that are spilled, or kept on a stack."""
        return self.stack + self.spill_stores + self.spill_loads


def all_kernels() -> Iterator[tuple[str, Kernel]]:
    """Yield the qualified name of every kernel in gpucodec_kernels, and the kernel."""
    for module_info in pkgutil.walk_packages(gpucodec_kernels.__path__, "gpucodec_kernels."):
        module = importlib.import_module(module_info.name)
        for name, value in sorted(vars(module).items()):
            if isinstance(value, Kernel) and value.python.__module__ == module.__name__:
                yield f"{module.__name__.removeprefix('gpucodec_kernels.')}.{name}", value


def gpu_kernels() -> Iterator[tuple[str, Kernel]]:
    """Yield the qualified name of every kernel that GPUs launch, and the kernel."""
    return ((name, kernel) for name, kernel in all_kernels() if kernel.gpu)


def threads_of(kernel: Kernel) -> int:
    """Return how many threads a block has."""
    return kernel.threads if isinstance(kernel, BlockKernel) else THREADS_PER_BLOCK


@cache
def _ptxas() -> Path:
    """Return the assembler that the nvidia-cuda-nvcc wheel brings."""
    spec = importlib.util.find_spec("nvidia")
    roots = list(spec.submodule_search_locations or []) if spec else []
    found = sorted(path for root in roots for path in Path(root).rglob("ptxas") if path.is_file())
    if not found:
        raise FileNotFoundError("ptxas was not found; install nvidia-cuda-nvcc")
    return found[-1]


def assemble(ptx: str, compute_capability: tuple[int, int]) -> Usage:
    """Assemble PTX for an architecture and read what ptxas says of it."""
    architecture = f"sm_{compute_capability[0]}{compute_capability[1]}"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.ptx"
        source.write_text(ptx)
        command = [
            str(_ptxas()),
            "--verbose",
            f"--gpu-name={architecture}",
            str(source),
            "-o",
            f"{folder}/kernel.cubin",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ptxas failed for {architecture}:\n{done.stderr}")

    def number(pattern: str) -> int:
        found = re.findall(pattern, done.stderr)
        return max(map(int, found)) if found else 0

    return Usage(
        registers=number(r"Used (\d+) registers"),
        stack=number(r"(\d+) bytes stack frame"),
        spill_stores=number(r"(\d+) bytes spill stores"),
        spill_loads=number(r"(\d+) bytes spill loads"),
        shared=number(r"(\d+) bytes smem"),
        **asdict(inner_arithmetic(ptx)),
    )


def usage_of(kernel: Kernel, compute_capability: tuple[int, int]) -> Usage:
    """Compile a kernel for an architecture."""
    return assemble(compile_ptx(kernel, compute_capability), compute_capability)


def kept_usage(name: str, compute_capability: tuple[int, int], folder: Path = KEPT) -> Usage:
    """Return what `usage_of` does; it is compiled again only where what it depends on has changed.

    Parameters
    ----------
    name : str
        As `gpu_kernels` yields it.
    compute_capability : tuple of int
        The architecture.
    folder : Path
        Where results are kept.
    """
    kernel = _kernels()[name]
    digest = hashlib.sha256(repr((name, compute_capability, fingerprint(kernel.python.__module__), _tools())).encode())
    path = folder / f"{name}-{compute_capability[0]}{compute_capability[1]}.json"
    if path.is_file():
        kept = json.loads(path.read_text())
        if kept.pop("digest") == digest.hexdigest():
            return Usage(**kept)
    usage = usage_of(kernel, compute_capability)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"digest": digest.hexdigest(), **asdict(usage)}))
    return usage


@cache
def _kernels() -> dict[str, Kernel]:
    return dict(gpu_kernels())


@cache
def _tools() -> str:
    """Name what beside a kernel's source decides what is said of it."""
    from importlib.metadata import version

    own = [Path(module).read_text() for module in (__file__, kernel_arithmetic.__file__)]
    return repr((version("numba-cuda"), str(_ptxas()), _ptxas().stat().st_size, own))
