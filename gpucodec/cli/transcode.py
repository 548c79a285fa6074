"""``gpucodec transcode SOURCE... DESTINATION --to NAME``."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gpucodec.errors import ParameterError
from gpucodec.transcoder.targets import TARGETS

if TYPE_CHECKING:
    from gpucodec.transcoder.report import Report

__all__ = ["transcode"]

_INTERRUPTED, _TERMINATED = 130, 143  # 128 + SIGINT, 128 + SIGTERM, as shells report them


def transcode(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE", help="Files and folders to read.")],
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="Folder, or file for a single file.")],
    to: Annotated[str, typer.Option("--to", metavar="NAME", help=f"One of {', '.join(TARGETS)}, or a UID of theirs.")],
    backend: Annotated[str, typer.Option(help="What must encode: auto, cuda, nvjpeg2k, cpu, library.")] = "auto",
    device: Annotated[int | None, typer.Option(min=0, help="Number of the GPU to use.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Files at once; one a CPU if not given.")] = None,
    max_memory: Annotated[str, typer.Option(help="For the frames being worked on, all files together.")] = "256M",
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not decode and compare what is written.")] = False,
    keep_uid: Annotated[bool, typer.Option("--keep-uid", help="Keep the SOP Instance UID.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files, once verified.")] = False,
    jls_error: Annotated[
        int | None, typer.Option(min=0, max=255, help="jpegls-near: largest error of a sample.")
    ] = None,
    j2k_cr: Annotated[
        list[str] | None, typer.Option(metavar="RATIO,...", help="j2k-lossy: compression ratio of each layer.")
    ] = None,
    j2k_psnr: Annotated[
        list[str] | None, typer.Option(metavar="DB,...", help="j2k-lossy: PSNR of each layer in dB.")
    ] = None,
    encapsulate_ext: Annotated[
        bool, typer.Option("--encapsulate-ext", help="Always write an extended offset table.")
    ] = False,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write a report to this file.")] = None,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where the errors of files come from.")] = False,
) -> None:
    """Transcode DICOM files to another transfer syntax, and verify each before it gets its name.

    One file goes to DESTINATION itself or into it if it is a folder. One folder is mirrored below DESTINATION.
    Of several sources, folders keep their names. Hidden files and DICOMDIR are skipped.

    A file that already has the wanted transfer syntax is decoded and encoded like any other. An existing file is
    replaced only with --overwrite, otherwise its source counts as failed. A file that fails leaves nothing behind,
    the others go on. jpegls-near needs --jls-error, j2k-lossy needs --j2k-cr or --j2k-psnr.

    Ends with 0 if all is done, 1 if some failed, 2 if the command was wrong.
    """
    if device is not None:
        # What CUDA itself goes by; it is read when CUDA is first used, here and in worker processes.
        os.environ["CUDA_VISIBLE_DEVICES"] = str(device)
    try:
        report = _run(
            sources,
            destination,
            to,
            json,
            backend=backend,
            workers=workers,
            max_memory_text=max_memory,
            verify=not no_verify,
            generate_instance_uid=not keep_uid,
            overwrite=overwrite,
            jls_error=jls_error,
            j2k_cr=_numbers("--j2k-cr", j2k_cr),
            j2k_psnr=_numbers("--j2k-psnr", j2k_psnr),
            encapsulate_ext=encapsulate_ext,
        )
    except ParameterError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("Interrupted: what was not done left nothing behind", err=True)
        raise typer.Exit(_INTERRUPTED) from None
    _show(report, traceback)
    if json is not None:
        report.write_json(json)
    raise typer.Exit(0 if report.ok else 1)


def _run(
    sources: list[str], destination: str, to: str, json: Path | None, *, max_memory_text: str, **options: Any
) -> Report:
    import warnings

    from gpucodec.cli.progress import listen
    from gpucodec.cli.steps import check_writable
    from gpucodec.transcoder.api import transcode as run
    from gpucodec.transcoder.batcher import parse_size

    check_writable(json)
    max_memory = parse_size(max_memory_text)
    # pydicom warns of single values that the standard does not allow; they are copied as they are.
    warnings.filterwarnings("ignore", module=r"pydicom\.")
    with _end_cleanly_when_terminated(), listen() as listener:
        return run(sources, destination, to, max_memory=max_memory, listener=listener, **options)


def _show(report: Report, with_traceback: bool) -> None:
    from gpucodec.cli.tables import show_report

    show_report(report)
    if with_traceback:
        for file in report.with_status("failed"):
            typer.echo(f"\n{file.source}\n{file.traceback}", err=True)


def _numbers(name: str, values: list[str] | None) -> tuple[float, ...] | None:
    """Return the numbers of an option that may be repeated and may hold several, separated by commas."""
    if not values:
        return None
    try:
        return tuple(float(part) for value in values for part in value.split(","))
    except ValueError:
        raise ParameterError(f"The values of {name} must be numbers, not '{','.join(values)}'") from None


@contextmanager
def _end_cleanly_when_terminated() -> Iterator[None]:
    """Let SIGTERM, the polite way to end a process, remove temporary files as Ctrl-C does."""

    def end(*_: object) -> None:
        raise SystemExit(_TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
