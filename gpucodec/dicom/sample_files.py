"""The sample files that pydicom and pydicom-data ship."""

from __future__ import annotations

from pathlib import Path

__all__ = ["sample_file"]


def sample_file(name: str) -> Path | None:
    """Return where a sample file lies on this machine, or None if it is not installed; nothing is downloaded."""
    from pydicom.data import get_testdata_file

    found = get_testdata_file(name, download=False)
    return Path(found) if isinstance(found, str) else None
