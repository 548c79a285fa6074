"""Compression and decompression as pydicom's users do it, by a plugin of pydicom's choice or theirs: the peer's side.

Nothing of gpucodec codes here; it is what comparisons measure gpucodec against.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gpucodec.codecs.formats import get_format
from gpucodec.frames import FrameSpec

__all__ = ["compress_frames", "dataset_of", "decompress_frames", "plugins", "transcode_file", "with_codestreams"]


def plugins(uid: str, *, encoding: bool) -> list[str]:
    """Return the names of pydicom's own plugins that can be used here for a transfer syntax."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.encoders.base import get_encoder

    try:
        coder: Any = (get_encoder if encoding else get_decoder)(uid)
    except NotImplementedError:
        return []
    return [name for name in coder.available_plugins if name != "gpucodec"]


def dataset_of(frames: np.ndarray[Any, Any], spec: FrameSpec) -> Any:
    """Return an uncompressed dataset with some frames."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.Rows, ds.Columns, ds.SamplesPerPixel = spec.rows, spec.columns, spec.samples_per_pixel
    ds.NumberOfFrames = len(frames)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = spec.bits_allocated, spec.bits_stored, spec.bits_stored - 1
    ds.PixelRepresentation = spec.pixel_representation
    ds.PhotometricInterpretation = spec.photometric_interpretation
    if spec.samples_per_pixel > 1:
        ds.PlanarConfiguration = 0
    ds.PixelData = np.ascontiguousarray(frames).tobytes()
    ds["PixelData"].VR = "OW" if spec.bits_allocated > 8 else "OB"
    return ds


def with_codestreams(codestreams: list[bytes], spec: FrameSpec, uid: str) -> Any:
    """Return a compressed dataset with some codestreams."""
    from pydicom.encaps import encapsulate

    ds = dataset_of(np.empty(0, np.uint8), spec)
    ds.file_meta.TransferSyntaxUID = uid
    ds.NumberOfFrames = len(codestreams)
    ds.PixelData = encapsulate(codestreams)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def compress_frames(
    frames: np.ndarray[Any, Any], spec: FrameSpec, uid: str, plugin: str, **options: Any
) -> list[bytes]:
    """Encode frames one after the other by a plugin of pydicom's, as ``Dataset.compress`` does.

    Parameters
    ----------
    frames : numpy.ndarray
        ``(frames, rows, columns[, samples])``.
    spec : FrameSpec
        What each is; a photometric interpretation of YBR_RCT or YBR_ICT asks for JPEG 2000's component transform.
    uid : str
        The transfer syntax.
    plugin : str
        Name of pydicom's plugin.
    **options
        pydicom's options.
    """
    from pydicom.pixels.encoders.base import get_encoder

    encoder = get_encoder(uid)
    described: dict[str, Any] = {
        "rows": spec.rows,
        "columns": spec.columns,
        "number_of_frames": len(frames),
        "samples_per_pixel": spec.samples_per_pixel,
        "bits_allocated": spec.bits_allocated,
        "bits_stored": spec.bits_stored,
        "pixel_representation": spec.pixel_representation,
        "photometric_interpretation": spec.photometric_interpretation,
        "planar_configuration": spec.planar_configuration,
    }
    several = frames if len(frames) > 1 else frames[0]
    return list(encoder.iter_encode(several, encoding_plugin=plugin, **described, **options))


def decompress_frames(dataset: Any, plugin: str) -> np.ndarray[Any, Any]:
    """Decode a compressed dataset by a plugin of pydicom's, without any conversion of colours."""
    from pydicom.pixels.utils import pixel_array

    decoded: np.ndarray[Any, Any] = pixel_array(dataset, decoding_plugin=plugin, raw=True)
    return decoded if int(dataset.NumberOfFrames) > 1 else decoded[np.newaxis]


def transcode_file(source: Path, destination: Path, uid: str, plugin: str, **options: Any) -> None:
    """Read a file, decompress it if need be, compress it by a plugin of pydicom's, and save it."""
    from pydicom import dcmread
    from pydicom.uid import UID

    ds = dcmread(source)
    if UID(ds.file_meta.TransferSyntaxUID).is_compressed:
        ds.decompress(generate_instance_uid=False)
    if get_format(uid).family == "jpeg2000" and ds.PhotometricInterpretation == "RGB":
        ds.PhotometricInterpretation = "YBR_ICT" if options else "YBR_RCT"
    ds.compress(uid, encoding_plugin=plugin, generate_instance_uid=False, **options)
    ds.save_as(destination)


if __name__ == "__main__":
    import sys

    transcode_file(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])
