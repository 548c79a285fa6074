"""JPEG-LS marker syntax, ITU-T T.87 Annex C: what a codestream says, and how one is written. No pixels."""

from gpucodec.codestream.jpegls.description import (
    Component,
    Description,
    InterleaveMode,
    MappingTable,
    Preset,
    Scan,
)
from gpucodec.codestream.jpegls.preset import default_preset, encoding_limits, largest_near, resolve_preset
from gpucodec.codestream.jpegls.reader import read_codestream
from gpucodec.codestream.jpegls.writer import EOI, write_frame_header, write_scan_header

__all__ = [
    "EOI",
    "Component",
    "Description",
    "InterleaveMode",
    "MappingTable",
    "Preset",
    "Scan",
    "default_preset",
    "encoding_limits",
    "largest_near",
    "read_codestream",
    "resolve_preset",
    "write_frame_header",
    "write_scan_header",
]
