"""The wheel that the images install: their own line makes it, everything is in it, and it works without the tree."""

import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from tests.docker.dockerfiles import ROOT, read
from tests.docker.stages import carry_out


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel that the CPU image's first stage makes."""
    root = tmp_path_factory.mktemp("image")
    arguments, stages = read(ROOT / "docker" / "cpu.Dockerfile")
    (stage,) = (stage for stage in stages if stage.name == "wheel")
    carry_out(stage, root, arguments)
    (made,) = (root / "wheels").iterdir()
    return made


def test_it_holds_every_file_of_both_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = set()
    for folder, parent in (("gpucodec", ROOT), ("gpucodec_kernels", ROOT / "kernels")):
        for path in (parent / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
                expected.add(path.relative_to(parent).as_posix())
    assert held == expected
    assert {"gpucodec/py.typed", "gpucodec/comparison/templates/base.css", "gpucodec_kernels/target.py"} <= held


def test_it_names_the_command_the_licence_and_the_extras(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (about,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        (commands,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
        metadata = Parser().parsestr(archive.read(about).decode())
        assert "gpucodec = gpucodec.cli.app:main" in archive.read(commands).decode()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {"cuda12", "cuda13"} <= set(metadata.get_all("Provides-Extra", []))


def test_it_works_without_the_source_tree(wheel: Path, tmp_path: Path) -> None:
    installed, work = tmp_path / "installed", tmp_path / "work"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    (work / "study").mkdir(parents=True)
    source = get_testdata_file("CT_small.dcm", download=False)
    assert isinstance(source, str)
    shutil.copyfile(source, work / "study" / "CT_small.dcm")
    env = {**os.environ, "PYTHONPATH": str(installed), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def python(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    places = python("-c", "import gpucodec, gpucodec_kernels as kernels; print(gpucodec.__file__, kernels.__file__)")
    assert all(place.startswith(str(installed)) for place in places.split())
    command = ("-m", "gpucodec.cli.app")
    assert "transcode" in python(*command, "--help")
    python(*command, "transcode", "study", "compressed", "--to", "rle", "--backend", "cpu")
    before, after = pydicom.dcmread(source), pydicom.dcmread(work / "compressed" / "CT_small.dcm")
    assert after.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.5"
    np.testing.assert_array_equal(after.pixel_array, before.pixel_array)
