"""Words of a big-endian dataset in little-endian order."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset

__all__ = ["swap_words"]

_WIDTHS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def swap_words(dataset: Dataset) -> None:
    """Turn a big-endian dataset's other words (OW, OF, OL, OD, OV) into little-endian ones, in place.

    pydicom converts all other values by itself.

    Parameters
    ----------
    dataset : pydicom.dataset.Dataset
        Its sequences are walked too.
    """
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                swap_words(item)
        elif element.VR in _WIDTHS and isinstance(element.value, bytes):
            width = _WIDTHS[element.VR]
            whole = len(element.value) // width * width
            swapped: Any = np.frombuffer(element.value[:whole], f"u{width}").byteswap()
            element.value = swapped.tobytes() + element.value[whole:]
