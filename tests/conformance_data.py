"""Where the conformance sets lie, which the project does not ship: in CI their absence is a failure."""

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("GPUCODEC_CONFORMANCE_DATA", "../shared/data"))


def present(name: str) -> Path:
    """Return a set's folder; skip the test where it is not there, but fail in CI."""
    folder = ROOT / name
    if not folder.is_dir():
        reason = f"the conformance data are not at {folder}; set GPUCODEC_CONFORMANCE_DATA"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return folder
