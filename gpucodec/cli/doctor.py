"""``gpucodec doctor``: what is installed, what can run here, and what would serve each transfer syntax."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["doctor"]


def doctor(
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Measure from which size of a batch on the GPU is faster, and keep it.")
    ] = False,
    require: Annotated[
        list[str] | None,
        typer.Option(metavar="BACKEND", help="Only see whether this backend can be used, and end with 1 if not."),
    ] = None,
    calibrate_with: Annotated[str, typer.Option(hidden=True)] = "",
    families: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Show what is installed, what is wrong with the GPU and what helps, and which backend serves what."""
    if require:
        _require(require)
    elif calibrate or calibrate_with:
        from gpucodec.cli.calibrate import calibrate as measure

        measure(calibrate_with, families.split(",") if families else ())
    else:
        from gpucodec.cli.doctor_tables import show_all

        show_all()


def _require(backends: list[str]) -> None:
    from gpucodec.backends import why_unavailable
    from gpucodec.codecs.registry import BACKENDS

    for backend in backends:
        known = backend in BACKENDS
        if reason := why_unavailable(backend) if known else f"no such backend, there are {', '.join(BACKENDS)}":
            typer.echo(f"{backend}: {reason}", err=True)
            raise typer.Exit(1)
        typer.echo(f"{backend}: usable")
