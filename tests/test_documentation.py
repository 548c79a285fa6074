"""What the README and the docstrings show works as it is shown."""

import doctest
import importlib
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import gpucodec_kernels
import pytest
from pydicom.data import get_testdata_file

import gpucodec
from gpucodec import errors
from gpucodec.codecs.formats import FORMATS, Family
from gpucodec.transcoder.targets import TARGETS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
STUDY = ("CT_small.dcm", "MR_small.dcm", "examples_rgb_color.dcm", "SC_rgb_rle_2frame.dcm")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Return a folder with the folder `study` that the examples speak of."""
    (tmp_path / "study").mkdir()
    for name in STUDY:
        found = get_testdata_file(name, download=False)
        assert isinstance(found, str)
        shutil.copyfile(found, tmp_path / "study" / name)
    return tmp_path


def test_the_python_examples_print_what_they_say(study: Path) -> None:
    code = "\n".join(blocks("python"))
    promised = re.findall(r"^ *print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert len(blocks("python")) >= 5
    assert len(promised) >= 5
    result = subprocess.run([sys.executable, "-c", code], cwd=study, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    printed = result.stdout.splitlines()
    files = [line for line in printed if line.startswith("study/")]
    assert [line for line in printed if line not in files] == promised
    assert [line.split()[0] for line in files] == [f"study/{name}" for name in sorted(STUDY)]


def test_the_commands_succeed(study: Path) -> None:
    lines = "\n".join(blocks("console") + blocks("sh")).splitlines()
    commands = [line.removeprefix("$ ") for line in lines if line.removeprefix("$ ").startswith("gpucodec ")]
    assert {command.split()[1] for command in commands} == {"transcode", "info", "doctor", "bench", "quality"}
    for command in commands:
        arguments = [sys.executable, "-m", "gpucodec.cli.app", *shlex.split(command)[1:]]
        result = subprocess.run(arguments, cwd=study, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    assert sorted(path.name for path in (study / "compressed").iterdir()) == sorted(STUDY)


def test_what_make_is_said_to_do_the_makefile_has() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)`", README)) | set(re.findall(r"^make ([a-z-]+)", README, re.MULTILINE))
    assert {"demo", "test", "lint", "bounds", "fuzz", "bench", "kernel-report"} <= named <= targets


def test_every_path_that_is_named_exists() -> None:
    folders = ("kernels/", "gpucodec/", "benchmarks/")
    named = [name for name in re.findall(r"`([\w./-]+)`", README) if name.startswith(folders)]
    named += re.findall(r"\]\(([\w./-]+)\)", README)
    assert len(named) > 8
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_target_error_and_transfer_syntax_is_in_a_table() -> None:
    assert [name for name in TARGETS if f"`{name}`" not in README] == []
    kinds = [name for name in errors.__all__ if isinstance(getattr(errors, name), type) and name != "GpucodecError"]
    assert [name for name in kinds if f"`{name}`" not in README] == []
    names = [entry.name for entry in FORMATS.values() if entry.family is not Family.JPEG]
    assert [name for name in names if f" {name}" not in README] == []


def module_names() -> list[str]:
    packages = (gpucodec, gpucodec_kernels)
    return sorted(
        found.name for package in packages for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    )


def test_the_examples_in_docstrings_work() -> None:
    attempted = 0
    try:
        for name in module_names():
            result = doctest.testmod(importlib.import_module(name))
            assert result.failed == 0, name
            attempted += result.attempted
    finally:
        gpucodec.unregister()
    assert attempted > 0
