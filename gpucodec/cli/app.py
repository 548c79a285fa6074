"""The command ``gpucodec``: one module a command; what is heavy loads inside the commands."""

from __future__ import annotations

import sys

import typer

from gpucodec import __version__
from gpucodec.cli.bench import bench
from gpucodec.cli.doctor import doctor
from gpucodec.cli.info import info
from gpucodec.cli.quality import quality
from gpucodec.cli.transcode import transcode

__all__ = ["app", "main"]

app = typer.Typer(
    name="gpucodec",
    help="Compress, decompress and transcode the pixel data of DICOM files.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("transcode")(transcode)
app.command("info")(info)
app.command("doctor")(doctor)
app.command("bench")(bench)
app.command("quality")(quality)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gpucodec {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    """Compress, decompress and transcode the pixel data of DICOM files."""


def main() -> None:
    """Run the command line."""
    sys.exit(app())


if __name__ == "__main__":
    main()
