"""The files that are mutated: real ones in every transfer syntax that there are files of, and two made of them."""

from collections.abc import Iterator
from io import BytesIO

from pydicom import dcmread
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames

from tests.interop.reference_files import IMAGES

__all__ = ["sources"]

_MAX_BYTES = 250_000  # larger ones take long and show nothing more
_MULTI_FRAME = ("SC_rgb_rle_16bit_2frame.dcm", "emri_small_jpeg_ls_lossless.dcm", "emri_small_jpeg_2k_lossless.dcm")


def sources() -> list[tuple[str, str, bytes]]:
    """Return name, Transfer Syntax UID and content of each file."""
    found = [
        (name, str(uid), path.read_bytes())
        for name, (path, uid) in sorted(IMAGES.items())
        if path.stat().st_size <= _MAX_BYTES
    ]
    for name in _MULTI_FRAME:
        if name in IMAGES:
            uid = str(IMAGES[name][1])
            found += [(f"{kind}-{name}", uid, content) for kind, content in _rewrapped(name)]
    return found


def _rewrapped(name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the file with an extended offset table, and with each frame in several fragments."""
    ds = dcmread(IMAGES[name][0])
    frames = list(generate_frames(ds.PixelData, number_of_frames=ds.NumberOfFrames))
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    yield "extended", _written(ds)
    del ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths
    ds.PixelData = encapsulate(frames, fragments_per_frame=2)
    yield "fragments", _written(ds)


def _written(ds: object) -> bytes:
    buffer = BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()
