"""The pictures that codecs are compared on: frames of the user's own files, or of files that packages ship."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gpucodec.dicom.reader import FrameReader, FrameSource
from gpucodec.dicom.sample_files import sample_file
from gpucodec.errors import GpucodecError, ParameterError
from gpucodec.frames import FrameSpec

__all__ = ["Picture", "built_in", "evenly_spread", "from_file", "histology_tiles", "shifted_copies"]

# Name, file of pydicom-data, frames of the series.
_SAMPLES = (
    ("16 CT 512x512", "693_UNCR.dcm", 16),
    ("4 MR 1024x1024", "MR2_UNCI.dcm", 4),
    ("1 CR 1955x1841", "RG1_UNCI.dcm", 1),
    ("16 US 480x640 RGB", "US1_UNCI.dcm", 16),
)
_SHIFT = 3
_TILE, _TILE_STEP, _LAST_TILE = 256, 28, 257


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Frames to compare codecs on, and where they come from.

    Parameters
    ----------
    name : str
        As tables name it.
    origin : str
        The file, or the package and file, that the samples come from.
    frames : numpy.ndarray
        ``(frames, rows, columns)`` or ``(frames, rows, columns, samples)``, of `spec`'s dtype.
    spec : FrameSpec
        What each frame is, uncompressed.
    numbers : tuple of int
        Index in its file of each frame, from 0.
    is_file : bool
        Whether `origin` is a file that has these frames, and perhaps more.
    left_out : dict of int to str
        Frames that were wanted and could not be read, each with the reason.
    attributes : dict
        What else the file says: ``slope``, ``intercept``, ``unit``, ``window`` (centre and width).
    """

    name: str
    origin: str
    frames: np.ndarray[Any, Any]
    spec: FrameSpec
    numbers: tuple[int, ...]
    is_file: bool = False
    left_out: dict[int, str] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


def evenly_spread(total: int, wanted: int) -> list[int]:
    """Return the numbers of up to `wanted` of `total` frames, the first and the last among them."""
    if wanted >= total:
        return list(range(total))
    return sorted({round(index * (total - 1) / max(1, wanted - 1)) for index in range(wanted)})


def from_file(path: str | Path, *, max_frames: int, max_bytes: int, spread: bool = False) -> Picture:
    """Read frames of a DICOM file, decoded if they are compressed.

    Parameters
    ----------
    path : str or Path
        The file.
    max_frames : int
        How many frames at most.
    max_bytes : int
        How many bytes at most; one frame is read in any case.
    spread : bool
        Whether the frames are spread evenly over the file instead of being its first ones.

    Raises
    ------
    GpucodecError
        If the file has no frames that can be read: what the first one that failed says.
    OSError
        If the file cannot be opened.
    """
    with FrameReader(path) as reader:
        source = FrameSource(reader, isolate=True)
        wanted = max(1, min(max_frames, max_bytes // reader.spec.num_bytes))
        numbers = evenly_spread(source.num_frames, wanted) if spread else list(range(min(source.num_frames, wanted)))
        frames, left_out = _readable(source, numbers)
        attributes = _attributes(reader.dataset)
        spec = frames[numbers_read[0]].spec if (numbers_read := sorted(frames)) else None
    if spec is None:
        raise ParameterError(f"No frame of {path} can be read; the first that failed: {next(iter(left_out.values()))}")
    return Picture(
        Path(path).name,
        str(path),
        np.concatenate([frames[number].frames for number in numbers_read]),
        spec.replace(planar_configuration=0),
        tuple(numbers_read),
        True,
        left_out,
        attributes,
    )


def _readable(source: FrameSource, numbers: Sequence[int]) -> tuple[dict[int, Any], dict[int, str]]:
    """Read frames one by one, so that a broken one costs no other; those of another kind than the first count too."""
    frames: dict[int, Any] = {}
    left_out: dict[int, str] = {}
    for number in numbers:
        try:
            batch = source.read_batch(number, 1)
        except GpucodecError as error:
            left_out[number] = str(error)
            continue
        first = next(iter(frames.values()), batch)
        if batch.spec != first.spec:
            left_out[number] = "its samples are of another kind than those of the frames before it"
        else:
            frames[number] = batch
    return frames, left_out


def _attributes(dataset: Any) -> dict[str, Any]:
    """Return the modality's units and the display window, PS3.3 C.11.1 and C.11.2, where the file has them."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or [{}]
    rescale = (shared[0].get("PixelValueTransformationSequence") or [dataset])[0]
    window = (shared[0].get("FrameVOILUTSequence") or [dataset])[0]
    found: dict[str, Any] = {}
    slope, intercept = rescale.get("RescaleSlope"), rescale.get("RescaleIntercept")
    if slope is not None and intercept is not None and float(slope):
        found |= {"slope": float(slope), "intercept": float(intercept)}
        unit = str(rescale.get("RescaleType") or "")
        found["unit"] = unit or ("HU" if dataset.get("Modality") == "CT" else "")
    centre, width = _first(window.get("WindowCenter")), _first(window.get("WindowWidth"))
    if centre is not None and width is not None and float(width) > 0:
        found["window"] = (float(centre), float(width))
    return found


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) or hasattr(value, "append") else value


def built_in() -> Iterator[Picture]:
    """Yield the pictures that pydicom-data and scikit-image ship: CT, MR, CR, ultrasound, and tiles as of a slide.

    A series is made of a single picture by shifting it, and says so; the tiles are cut from a histology picture.
    Files that are not installed are left out.
    """
    for name, file, copies in _SAMPLES:
        path = sample_file(file)
        if path is not None:
            yield _series(name, path, copies)
    tiles = histology_tiles()
    if tiles is not None:
        origin = "scikit-image: immunohistochemistry, overlapping tiles"
        name = f"{len(tiles)} tiles {_TILE}x{_TILE} RGB"
        yield Picture(name, origin, tiles, FrameSpec.from_array(tiles), tuple(range(len(tiles))))


def _series(name: str, path: Path, copies: int) -> Picture:
    picture = from_file(path, max_frames=1, max_bytes=1 << 30)
    frames = shifted_copies(picture.frames[0], copies)
    origin = f"pydicom-data: {path.name}" + (f", {copies} shifted copies" if copies > 1 else "")
    return Picture(name, origin, frames, picture.spec, (0,) * copies, attributes=picture.attributes)


def shifted_copies(picture: np.ndarray[Any, Any], copies: int) -> np.ndarray[Any, Any]:
    """Make a series of a picture, no two frames of which are the same bytes."""
    return np.stack([np.roll(picture, _SHIFT * number, axis=1) for number in range(copies)])


def histology_tiles() -> np.ndarray[Any, Any] | None:
    """Return 100 tiles ``(tiles, 256, 256, 3)`` of scikit-image's histology picture, None where it is not installed."""
    try:
        from skimage.data import immunohistochemistry
    except ImportError:
        return None
    picture = immunohistochemistry()  # type: ignore[no-untyped-call]
    starts = range(0, _LAST_TILE, _TILE_STEP)
    return np.stack([picture[row : row + _TILE, column : column + _TILE] for row in starts for column in starts])
