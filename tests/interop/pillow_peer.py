"""What Pillow's OpenJPEG writes, with options that no other peer offers, and what it reads of a part."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("PIL.features").check("jpg_2000") or pytest.skip("Pillow has no JPEG 2000", allow_module_level=True)


def encoded(frame: np.ndarray, **options: Any) -> bytes:
    """Return a codestream of a frame of uint8, or uint16 in monochrome; reversible unless the options say else."""
    buffer = BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG2000", **({"no_jp2": True} | options))
    return buffer.getvalue()


def decoded(codestream: bytes, reduce: int = 0, layers: int = 0) -> np.ndarray:
    """Return a frame; without some of its resolution levels, and then with some of its layers alone, too."""
    image = Image.open(BytesIO(codestream))
    image.reduce, image.layers = reduce, layers
    image.load()
    return np.asarray(image)
