"""Running the command line inside the test process."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file
from typer.testing import CliRunner, Result

from gpucodec.cli.app import app


@pytest.fixture
def run() -> Callable[..., Result]:
    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def copy_real(tmp_path: Path) -> Callable[..., Path]:
    def copy(*names: str, folder: str = "in") -> Path:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            found = get_testdata_file(name, download=False)
            assert isinstance(found, str), name
            shutil.copyfile(found, tmp_path / folder / name)
        return tmp_path / folder

    return copy
