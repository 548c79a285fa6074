"""``gpucodec doctor``: what is installed, what can run here, and what would serve each transfer syntax."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest

__all__ = ["doctor"]

_PACKAGES = (
    "gpucodec",
    "pydicom",
    "numpy",
    "numba",
    "pylibjpeg",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
    "pylibjpeg-libjpeg",
    "pyjpegls",
    "cupy-cuda12x",
    "cupy-cuda13x",
    "numba-cuda",
    "nvidia-nvjpeg2k-cu12",
    "nvidia-nvjpeg2k-cu13",
)


def doctor() -> None:
    """Show what is installed, which backend would serve each transfer syntax, and why the others would not."""
    from gpucodec.cli.tables import show_table

    for table in (_packages(), _backends(), _transfer_syntaxes()):
        show_table(table)
        typer.echo()


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE, show_edge=False, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _add(table: Table, *cells: str) -> None:
    from rich.text import Text

    table.add_row(*(Text(cell) for cell in cells))


def _packages() -> Table:
    import platform
    import sys
    from importlib.metadata import PackageNotFoundError, version

    table = _table("Installed", "What", "Version")
    _add(table, "Python", f"{platform.python_version()} ({sys.executable})")
    _add(table, "Platform", platform.platform())
    for name in _PACKAGES:
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "not installed"
        _add(table, name, found)
    return table


def _backends() -> Table:
    from gpucodec.backends import why_unavailable
    from gpucodec.codecs.registry import BACKENDS

    table = _table("Backends, in the order in which 'auto' prefers them", "Backend", "Here")
    for name in BACKENDS:
        _add(table, name, why_unavailable(name) or "usable")
    return table


def _transfer_syntaxes() -> Table:
    """Ask every codec about a frame that its transfer syntax allows: 8 bits, grey, not very small."""
    from gpucodec.codecs.base import DecodeRequest, EncodeRequest
    from gpucodec.codecs.formats import FORMATS
    from gpucodec.codecs.options import EncodeOptions
    from gpucodec.frames import FrameSpec

    table = _table("Transfer syntaxes", "Transfer syntax", "", "Served by", "Not by")
    spec = FrameSpec(rows=512, columns=512)
    for uid, entry in FORMATS.items():
        lossy = EncodeOptions(j2k_cr=(10.0,)) if entry.family in ("jpeg2000", "htj2k") else EncodeOptions()
        options = EncodeOptions() if entry.lossless else lossy
        _add(table, entry.name, "encode", *_served(EncodeRequest(uid, spec, 16, options)))
        _add(table, "", "decode", *_served(DecodeRequest(uid, spec, 16)))
    return table


def _served(request: EncodeRequest | DecodeRequest) -> tuple[str, str]:
    from gpucodec.codecs.dispatch import consider

    answers = consider(request)
    # The simulator is a test bench: `auto` never chooses it.
    able = [_name(codec) for codec, reasons in answers if not reasons and codec.backend != "simulator"]
    return (able[0] if able else "nothing here"), _reasons(answers)


def _reasons(answers: Iterable[tuple[Codec, list[str]]]) -> str:
    return "\n".join(f"{_name(codec)}: {'; '.join(reasons)}" for codec, reasons in answers if reasons)


def _name(codec: Codec) -> str:
    return f"{codec.backend} ({codec.name})"
