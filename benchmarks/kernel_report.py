"""What the CUDA compilers make of each kernel: registers, local and shared memory, spills, wide arithmetic.

``python -m benchmarks.kernel_report`` compiles every kernel to PTX and to machine code for every supported
architecture, without a GPU, prints a table, and ends with 1 if a kernel spills registers or uses a stack.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gpucodec_kernels
from gpucodec_kernels.target import Kernel, compile_ptx

ARCHITECTURES = ((7, 5), (8, 0), (8, 6), (9, 0), (10, 0), (12, 0))


@dataclass(frozen=True)
class Usage:
    """What ptxas says of one kernel on one architecture; bytes but for `registers` and the instruction counts.

    `wide` and `narrow` count the 64-bit and 32-bit integer instructions of the PTX: addresses are 64-bit, so
    some always are.
    """

    registers: int
    stack: int
    spill_stores: int
    spill_loads: int
    shared: int
    wide: int
    narrow: int


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


@cache
def ptxas() -> Path:
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
        command = [str(ptxas()), "--verbose", f"--gpu-name={architecture}", str(source), "-o", f"{folder}/kernel.cubin"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ptxas failed for {architecture}:\n{done.stderr}")
    return _usage(done.stderr, ptx)


def _usage(said: str, ptx: str) -> Usage:
    def number(pattern: str) -> int:
        found = re.findall(pattern, said)
        return max(map(int, found)) if found else 0

    return Usage(
        registers=number(r"Used (\d+) registers"),
        stack=number(r"(\d+) bytes stack frame"),
        spill_stores=number(r"(\d+) bytes spill stores"),
        spill_loads=number(r"(\d+) bytes spill loads"),
        shared=number(r"(\d+) bytes smem"),
        wide=len(re.findall(r"^\s+(?:add|sub|mul|mad|shl|shr|and|or|xor)\.(?:lo\.)?[subu]64", ptx, re.MULTILINE)),
        narrow=len(re.findall(r"^\s+(?:add|sub|mul|mad|shl|shr|and|or|xor)\.(?:lo\.)?[subu]32", ptx, re.MULTILINE)),
    )


def main() -> int:
    """Print the table; return 1 if a kernel spills."""
    from rich.console import Console
    from rich.table import Table

    table = Table("kernel", "arch", "registers", "stack", "spills", "shared", "64-bit ops", "32-bit ops")
    spilled = 0
    for name, kernel in gpu_kernels():
        for capability in ARCHITECTURES:
            usage = assemble(compile_ptx(kernel, capability), capability)
            spills = usage.spill_stores + usage.spill_loads
            spilled += bool(spills or usage.stack)
            cells = (usage.registers, usage.stack, spills, usage.shared, usage.wide, usage.narrow)
            table.add_row(name, f"sm_{capability[0]}{capability[1]}", *map(str, cells))
    Console(width=None if sys.stdout.isatty() else 110).print(table)
    return 1 if spilled else 0


if __name__ == "__main__":
    sys.exit(main())
