"""Imports run one way only, nothing heavy loads before it is used, and no file grows out of hand."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "gpucodec"
KERNELS = ROOT / "kernels" / "gpucodec_kernels"
SOURCES = sorted([*PACKAGE.rglob("*.py"), *KERNELS.rglob("*.py")])

# What each part of gpucodec may import of gpucodec, besides itself and the errors.
_LOW = {"frames", "host", "backends", "codestream", "pipeline"}
_CODECS = {"codecs", "libraries"}
ARROWS = {
    "__init__": {"frames", "codecs", "dicom", "transcoder"},  # the public face, loaded when a name is used
    "errors": set(),
    "frames": set(),
    "host": set(),
    "backends": {"diagnosis", "driver", "host"},
    "diagnosis": {"driver"},
    "driver": set(),
    "calibration": {"__init__", "driver"},
    "routing": {"backends", "calibration", "driver"},
    "stage_threads": set(),
    "pipeline": {"stage_threads"},
    "codestream": {"frames"},
    "codecs": _LOW | {"libraries", "calibration", "routing"},
    "libraries": _LOW | {"codecs"},
    "dicom": _LOW | _CODECS,
    "transcoder": _LOW | _CODECS | {"dicom"},
    "comparison": _LOW | _CODECS | {"dicom", "transcoder"},
    "cli": _LOW | _CODECS | {"calibration", "diagnosis", "routing", "dicom", "transcoder", "comparison", "__init__"},
}
KERNEL_USERS = {"host", "backends", "routing", "codecs", "codestream", "transcoder", "comparison", "cli"}
PYDICOM_USERS = {"dicom"}
# The seam on either side.
GPU_FILES = {PACKAGE / "backends.py", KERNELS / "target.py"}
GPU_NAMES = ("cupy", "numba.cuda", "numba_cuda")
# What it concludes from are facts about the packages, under their names.
GPU_FACTS = {PACKAGE / "diagnosis.py"}
IMPORTERS = {"import_module", "__import__", "find_spec"}


def imported_names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every module that a file imports anywhere, and ``module.name`` for each name taken from one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def parts_imported(path: Path) -> set[tuple[int, str]]:
    found = set()
    for line, name in imported_names(path):
        head, _, rest = name.partition(".")
        if head == "gpucodec":
            part = rest.partition(".")[0]
            known = part in ARROWS or (PACKAGE / part).is_dir() or (PACKAGE / f"{part}.py").exists()
            found.add((line, part if part and known else "__init__"))
    return found


def test_the_walk_sees_the_whole_package():
    assert {part_of(path) for path in PACKAGE.rglob("*.py")} <= set(ARROWS)
    assert len(SOURCES) > 20


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_between_the_parts_run_one_way(path):
    part = part_of(path)
    allowed = ARROWS[part] | {part, "errors"}
    imports = parts_imported(path)
    # ``from gpucodec.frames import FrameSpec`` also names the package itself only as its parent.
    wrong = [f"line {line}: gpucodec.{name}" for line, name in sorted(imports) if name not in allowed]
    assert wrong == [], f"gpucodec.{part} may import {sorted(allowed)}"


@pytest.mark.parametrize("path", sorted(KERNELS.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_kernels_need_numpy_and_numba_alone(path):
    heads = {name.partition(".")[0] for _, name in imported_names(path)}
    others = heads - {"gpucodec_kernels", "numpy", "numba", "llvmlite"} - set(sys.stdlib_module_names)
    assert others == set()


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_pydicom_and_the_kernels_are_imported_where_they_belong(path):
    heads = {name.partition(".")[0] for _, name in imported_names(path)}
    part = part_of(path)
    assert "pydicom" not in heads or part in PYDICOM_USERS
    assert "gpucodec_kernels" not in heads or part in KERNEL_USERS


def gpu_names(source: str, *, identifiers: bool = True) -> list[str]:
    """Return where code imports CuPy or Numba's CUDA target, or has an identifier of their names; texts are no code."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names] + [str(alias.asname) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in IMPORTERS:
            names = [str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)]
        elif identifiers:
            names = [str(getattr(node, field)) for field in ("id", "attr", "arg", "name") if hasattr(node, field)]
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                names.append(f"{node.value.id}.{node.attr}")
        named = [name for name in names if any(name == gpu or name.startswith(f"{gpu}.") for gpu in GPU_NAMES)]
        found.extend(f"line {getattr(node, 'lineno', 0)}: {name}" for name in named)
    return found


@pytest.mark.parametrize("path", sorted(set(SOURCES) - GPU_FILES), ids=lambda path: str(path.relative_to(ROOT)))
def test_cupy_and_numba_cuda_stay_behind_the_seam(path):
    assert gpu_names(path.read_text(encoding="utf-8"), identifiers=path not in GPU_FACTS) == []


@pytest.mark.parametrize(
    ("code", "is_seen"),
    [
        ("import cupy", True),
        ("import cupy.cuda as gpu", True),
        ("import numpy as cupy", True),
        ("from numba import cuda", True),
        ("from numba.cuda import libdevice", True),
        ("numba.cuda.jit(f)", True),
        ("cupy.asarray(a)", True),
        ("import_module('cupy')", True),
        ("importlib.import_module('numba.cuda')", True),
        ("def f(cupy): pass", True),
        ("f(cupy=1)", True),
        ("output = 'cupy'", False),
        ("'cuda' in backends", False),
        ('"""The word cupy in a text."""', False),
    ],
)
def test_the_search_for_cupy_sees_code_alone(code, is_seen):
    assert bool(gpu_names(code)) == is_seen


def modules_after(code: str) -> set[str]:
    """Run code in a process of its own and return the top-level modules that are loaded afterwards."""
    script = f"{code}\nimport sys\nprint('\\n' + ' '.join(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(result.stdout.splitlines()[-1].split())


def test_importing_gpucodec_loads_nothing_heavy():
    assert modules_after("import gpucodec").isdisjoint(
        {"numba", "cupy", "pydicom", "numpy", "openjpeg", "jpeg_ls", "typer", "rich", "multiprocessing"}
    )


def test_importing_gpucodec_registers_nothing_with_pydicom():
    code = "import gpucodec\nfrom pydicom.pixels import get_encoder\nfrom pydicom.uid import RLELossless\n"
    modules_after(code + "assert 'gpucodec' not in get_encoder(RLELossless).available_plugins")


def test_help_loads_neither_numba_nor_pydicom():
    code = (
        "import sys\nsys.argv = ['gpucodec', '--help']\nfrom gpucodec.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code"
    )
    assert modules_after(code).isdisjoint({"numba", "cupy", "pydicom"})


def test_describing_frames_needs_numpy_alone():
    loaded = modules_after("from gpucodec import FrameSpec\nFrameSpec(4, 4)")
    assert loaded.isdisjoint({"numba", "cupy", "pydicom"})


def test_coding_arrays_needs_no_pydicom():
    code = (
        "import gpucodec, numpy\nframes = numpy.zeros((2, 8, 8), 'u1')\nuid = '1.2.840.10008.1.2.5'\n"
        "codestreams = gpucodec.encode_frames(frames, uid)\n"
        "gpucodec.decode_frames(codestreams, uid, spec=gpucodec.FrameSpec.from_array(frames))"
    )
    assert modules_after(code).isdisjoint({"pydicom", "openjpeg", "jpeg_ls", "libjpeg"})


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_has_more_than_600_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 600
