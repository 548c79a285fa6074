"""``gpucodec info FILE``: what a file's pixel data are, how they are stored, and what would decode them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gpucodec.dicom.reader import FrameReader

__all__ = ["info"]

_KEYWORDS = (
    "Modality",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
)


def info(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A DICOM file.")],
) -> None:
    """Show what a file's pixel data are, how they are stored, and what would decode them."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from gpucodec.cli.tables import printable, show_table
    from gpucodec.dicom.reader import FrameReader
    from gpucodec.errors import GpucodecError

    try:
        with FrameReader(file) as reader:
            rows = list(_rows(reader))
    except (GpucodecError, OSError) as error:
        typer.echo(printable(f"Error: {file}: {error}"), err=True)
        raise typer.Exit(1) from None
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, show_header=False)
    table.add_column("What", no_wrap=True)
    table.add_column("Value", overflow="fold")
    for name, value in [("File", str(file)), *rows]:
        table.add_row(Text(name), Text("\n".join(printable(line) for line in value.split("\n"))))
    show_table(table)


def _rows(reader: FrameReader) -> Iterator[tuple[str, str]]:
    from gpucodec.transcoder.targets import transfer_syntax_name

    uid = str(reader.transfer_syntax_uid)
    yield "Transfer syntax", f"{transfer_syntax_name(uid)} ({uid})"
    yield "SOP class", str(getattr(reader.dataset.get("SOPClassUID"), "name", "not given"))
    for keyword in _KEYWORDS:
        if (value := reader.dataset.get(keyword)) not in (None, ""):
            yield keyword, str(value)
    yield from _frame_rows(reader)
    yield from _size_rows(reader)
    if reader.is_compressed:
        yield "Offset table", reader.offset_table
        yield "First codestream", _codestream(reader)
        yield "Decoded by", _decoder(reader)


def _frame_rows(reader: FrameReader) -> Iterator[tuple[str, str]]:
    spec = reader.spec
    sign = "signed" if spec.pixel_representation else "unsigned"
    samples = f"{spec.samples_per_pixel} sample{'s' * (spec.samples_per_pixel > 1)} a pixel"
    yield "Frames", str(reader.num_frames)
    yield "Rows x columns", f"{spec.rows} x {spec.columns}"
    yield "Samples", f"{samples}, {spec.bits_stored} of {spec.bits_allocated} bits, {sign}"
    yield "Photometric interpretation", spec.photometric_interpretation


def _size_rows(reader: FrameReader) -> Iterator[tuple[str, str]]:
    from gpucodec.cli.tables import size

    raw, encoded = reader.num_frames * reader.spec.num_bytes, reader.encoded_num_bytes
    yield "Uncompressed", f"{size(raw)}, {size(reader.spec.num_bytes)} a frame"
    yield "In the file", size(encoded)
    if reader.is_compressed and encoded:
        yield "Ratio", f"{raw / encoded:.2f}:1"


def _codestream(reader: FrameReader) -> str:
    """Return what the codestream itself says; dataset and codestream may disagree."""
    from gpucodec.codecs.formats import Family, get_format
    from gpucodec.codestream.jpeg_headers import read_frame_header
    from gpucodec.errors import CodestreamError

    if get_format(str(reader.transfer_syntax_uid)).family is Family.RLE:
        return "RLE, which has no header for the frame"
    try:
        found = read_frame_header(reader.read_codestreams(0, 1)[0])
    except CodestreamError as error:
        return f"broken: {error}"
    sign = "signed" if found.is_signed else "unsigned"
    components = f"{found.samples} component{'s' * (found.samples > 1)}"
    return f"{found.format} {found.rows} x {found.columns}, {components}, {found.precision} bits, {sign}"


def _decoder(reader: FrameReader) -> str:
    from gpucodec.codecs.base import DecodeRequest
    from gpucodec.codecs.dispatch import choose
    from gpucodec.errors import UnsupportedError

    try:
        choice = choose(DecodeRequest(str(reader.transfer_syntax_uid), reader.spec, reader.num_frames))
    except UnsupportedError as error:
        return str(error)
    others = [f"not by {name}: {'; '.join(why)}" for name, why in choice.rejected.items()]
    return "\n".join([f"{choice.codec.backend} ({choice.codec.name})", *others])
