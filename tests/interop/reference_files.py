"""The DICOM files that ship with pydicom and pydicom-data."""

import importlib.util
import warnings
from pathlib import Path

import pydicom
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, JPEGLSTransferSyntaxes, RLELossless

_KEYWORDS = ["SamplesPerPixel", "BitsAllocated", "Rows", "NumberOfFrames"]


def _folders() -> list[Path]:
    folders = [Path(pydicom.__file__).parent / "data" / "test_files"]
    spec = importlib.util.find_spec("data_store")
    folders += [Path(folder) for folder in spec.submodule_search_locations or []] if spec else []
    return folders


def _image_files() -> dict[str, tuple[Path, UID]]:
    found = {}
    for path in sorted(path for folder in _folders() for path in folder.rglob("*.dcm")):
        try:
            with warnings.catch_warnings(action="ignore"):
                ds = dcmread(path, stop_before_pixels=True, specific_tags=_KEYWORDS)
        except InvalidDicomError:
            continue
        uid = ds.file_meta.get("TransferSyntaxUID")
        if uid and "Rows" in ds:
            found[path.name] = path, uid
    return found


IMAGES = _image_files()


def images_in(*uids: str) -> list[str]:
    """Return the names of the files in one of these transfer syntaxes."""
    return [name for name, (_, uid) in IMAGES.items() if uid in uids]


def read(name: str) -> pydicom.FileDataset:
    """Read a file anew."""
    return dcmread(IMAGES[name][0])


def other_plugin(uid: str) -> str:
    """Return the plugin of pydicom's that decodes a compressed transfer syntax without us."""
    return "pydicom" if uid == RLELossless else "pyjpegls" if uid in JPEGLSTransferSyntaxes else "pylibjpeg"
