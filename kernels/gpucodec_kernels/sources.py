"""What a kernel's machine code depends on: the files of this package that its file imports."""

from __future__ import annotations

import ast
import hashlib
import os
from functools import cache
from pathlib import Path

__all__ = ["fingerprint"]

_TARGET = "gpucodec_kernels.target"  # every kernel's


@cache
def fingerprint(module: str) -> str:
    """Name what a module's machine code depends on: the files it imports from here, and whether bounds are checked."""
    digest = hashlib.sha256(os.environ.get("NUMBA_BOUNDSCHECK", "").encode())
    for name in sorted({_TARGET, *_imported(module)}):
        status = _source(name).stat()
        digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def _imported(module: str) -> set[str]:
    """Return the modules of this package that a module imports, itself and all that those import included."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and name.partition(".")[0] == __package__ and _source(name).is_file():
            found.add(name)
            waiting += _imports(name)
    return found


@cache
def _imports(module: str) -> tuple[str, ...]:
    tree = ast.parse(_source(module).read_bytes())
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return tuple(names)


def _source(module: str) -> Path:
    path = Path(__file__).parent.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
