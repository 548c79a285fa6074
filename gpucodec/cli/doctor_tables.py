"""The tables that ``gpucodec doctor`` shows."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from itertools import product

import typer
from rich.table import Table

from gpucodec.backends import diagnosis, why_unavailable
from gpucodec.calibration import path
from gpucodec.cli.tables import add_row, plain_table, show_table
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.dispatch import consider
from gpucodec.codecs.formats import FORMATS, Family
from gpucodec.codecs.options import EncodeOptions
from gpucodec.codecs.registry import BACKENDS, codecs_for
from gpucodec.frames import FrameSpec
from gpucodec.routing import BACKENDS as GPU_BACKENDS
from gpucodec.routing import key, size, stored, threshold

__all__ = ["show_all"]

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


def show_all() -> None:
    """Print every table that has something to say."""
    for table in (_packages(), _backends(), _gpus(), _faults(), _thresholds(), _transfer_syntaxes()):
        if table.row_count:
            show_table(table)
            typer.echo()
    if said := _calibration_file():
        typer.echo(said)


def _packages() -> Table:
    table = plain_table("Installed", "What", "Version")
    add_row(table, "Python", f"{platform.python_version()} ({sys.executable})")
    add_row(table, "Platform", platform.platform())
    for name in _PACKAGES:
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "not installed"
        add_row(table, name, found)
    return table


def _backends() -> Table:
    table = plain_table("Backends, in the order in which 'auto' prefers them", "Backend", "Here")
    for name in BACKENDS:
        add_row(table, name, why_unavailable(name) or "usable")
    return table


def _gpus() -> Table:
    found = diagnosis()
    table = plain_table("GPUs that can be used", "GPU", "Name", "Compute capability", "Multiprocessors", "For")
    for gpu in found.reachable:
        use = "kernels and libraries" if gpu in found.usable else "libraries alone"
        add_row(table, str(gpu.number), gpu.name, gpu.architecture, str(gpu.num_multiprocessors), use)
    return table


def _faults() -> Table:
    """Return what is wrong; where nobody seems to want a GPU, that there is none is no fault."""
    found = diagnosis()
    table = plain_table("What is wrong with the GPU", "What", "What helps")
    for fault in found.faults if found.expected else ():
        add_row(table, fault.what, fault.cure)
    return table


def _thresholds() -> Table:
    """Return from how many bytes on 'auto' sends a batch to the GPU."""
    table = plain_table("Batches that 'auto' sends to the GPU, by their bytes of samples", "What", "From", "As")
    families = [family for family in Family if family is not Family.JPEG]
    for backend, family, encoding in product(GPU_BACKENDS, families, (True, False)):
        found = threshold(backend, family, encoding)
        if found and not why_unavailable(backend) and _has_codec(backend, family):
            begin = "never" if found.num_bytes is None else size(found.num_bytes)
            source = found.source if found.is_measured else f"{found.source}, an estimate: see --calibrate"
            add_row(table, key(backend, family, encoding), begin, source)
    return table


def _has_codec(backend: str, family: Family) -> bool:
    uid = next(uid for uid, entry in FORMATS.items() if entry.family is family)
    return any(codec.backend == backend for codec in codecs_for(uid))


def _calibration_file() -> str:
    """Return what is to be said of the file of calibrations."""
    problem = stored().problem
    return f"The calibration in {path()} is ignored: {problem}" if problem else ""


def _transfer_syntaxes() -> Table:
    """Ask every codec about a frame that its transfer syntax allows: 8 bits, grey, not very small."""
    table = plain_table("Transfer syntaxes", "Transfer syntax", "", "Served by", "Not by, of usable backends")
    spec = FrameSpec(rows=512, columns=512)
    for uid, entry in FORMATS.items():
        lossy = EncodeOptions(j2k_cr=(10.0,)) if entry.family in ("jpeg2000", "htj2k") else EncodeOptions()
        options = EncodeOptions() if entry.lossless else lossy
        add_row(table, entry.name, "encode", *_served(EncodeRequest(uid, spec, 16, options)))
        add_row(table, "", "decode", *_served(DecodeRequest(uid, spec, 16)))
    return table


def _served(request: EncodeRequest | DecodeRequest) -> tuple[str, str]:
    answers = consider(request)
    # The simulator is a test bench: `auto` never chooses it.
    able = [_name(codec) for codec, reasons in answers if not reasons and codec.backend != "simulator"]
    return (able[0] if able else "nothing here"), _reasons(answers)


def _reasons(answers: Iterable[tuple[Codec, list[str]]]) -> str:
    """Return why codecs do not; what is wrong with a whole backend is told of the backend."""
    return "\n".join(
        f"{_name(codec)}: {'; '.join(reasons)}"
        for codec, reasons in answers
        if reasons and not why_unavailable(codec.backend)
    )


def _name(codec: Codec) -> str:
    return f"{codec.backend} ({codec.name})"
