"""Real files that ship inside pydicom, and what is in them according to pydicom."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.pixels import pixel_array


@pytest.fixture(scope="session")
def real_file() -> Callable[[str], Path]:
    def find(name: str) -> Path:
        found = get_testdata_file(name, download=False)
        assert isinstance(found, str), name
        return Path(found)

    return find


@pytest.fixture(scope="session")
def copy_real(real_file: Callable[[str], Path]) -> Callable[..., Path]:
    def copy(folder: Path, *names: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copyfile(real_file(name), folder / name)
        return folder

    return copy


@pytest.fixture(scope="session")
def read_pixels() -> Callable[..., np.ndarray]:
    """What pydicom's own decoders see, in the machine's byte order and without a colour conversion of theirs."""

    def read(path: Path, plugin: str = "") -> np.ndarray:
        options: dict[str, Any] = {"raw": True, "decoding_plugin": plugin}
        # By dataset: by path pydicom does not inflate.
        found = pixel_array(pydicom.dcmread(path), **options)
        return found.astype(found.dtype.newbyteorder("="), copy=False)

    return read
