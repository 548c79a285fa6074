"""``gpucodec doctor --calibrate``: measures from how many bytes on a GPU is worth its while, and keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpucodec.codecs.calibrating import Measured

__all__ = ["calibrate"]


def calibrate(pretended: str = "", families: Sequence[str] = ()) -> None:
    """Measure, print and keep.

    Parameters
    ----------
    pretended : str
        A backend that is measured in the place of the GPU's, on tiny batches; nothing is kept of it.
    families : sequence of str
        What to measure; everything if empty.

    Raises
    ------
    typer.Exit
        With status 1 if there is no GPU that can be used, or nothing can be kept.
    """
    from gpucodec.cli.steps import steps
    from gpucodec.codecs.calibrating import SIMULATOR_SIZES, SIZES, num_contests
    from gpucodec.codecs.calibrating import calibrate as measure

    backends = [pretended] if pretended else _gpu_backends()
    typer.echo("Measuring the CPU against the GPU, a minute at most, and what must be compiled.", err=True)
    with steps(num_contests(backends, families)) as said:
        sizes = SIMULATOR_SIZES if pretended else SIZES
        measured = measure(backends, families=families, sizes=sizes, said=said)
    _show(measured)
    if pretended:
        typer.echo("Nothing is kept of this: no GPU was measured.")
    else:
        _keep(measured)


def _gpu_backends() -> list[str]:
    from gpucodec.backends import why_unavailable
    from gpucodec.routing import BACKENDS

    usable = [backend for backend in BACKENDS if not why_unavailable(backend)]
    if not usable:
        _fail(f"There is no GPU to calibrate for: {why_unavailable(BACKENDS[0])}")
    return usable


def _fail(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _show(measured: Sequence[Measured]) -> None:
    from gpucodec.cli.tables import add_row, plain_table, show_table

    title = "Where the GPU is faster than the CPU"
    table = plain_table(title, "Backend", "What", "Batches", "CPU and GPU, milliseconds")
    for each in measured:
        what = f"{each.family} {'encode' if each.encoding else 'decode'}"
        add_row(table, each.backend, what, each.verdict, _points(each))
    show_table(table)


def _points(measured: Measured) -> str:
    """Return the smallest, a middle and the largest batch that was measured."""
    from gpucodec.routing import size

    points = measured.crossing.points if measured.crossing else ()
    shown = sorted({0, len(points) // 2, len(points) - 1}) if points else []
    return ", ".join(
        f"{size(points[at].num_bytes)}: {points[at].cpu * 1e3:.3g} and {points[at].device * 1e3:.3g}" for at in shown
    )


def _keep(measured: Sequence[Measured]) -> None:
    from gpucodec_kernels.target import get_num_threads

    from gpucodec.backends import diagnosis
    from gpucodec.calibration import store
    from gpucodec.codecs.calibrating import as_calibration
    from gpucodec.errors import GpucodecError
    from gpucodec.routing import forget

    found = diagnosis()
    gpu = (found.usable or found.reachable)[0]
    try:
        file = store(gpu, as_calibration(measured, get_num_threads()))
    except GpucodecError as error:
        _fail(str(error))
    else:
        forget()
        typer.echo(f"Kept for {gpu.name} in {file}")
