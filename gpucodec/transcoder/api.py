"""`transcode`: files and folders in, files out, verified before they get their names."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpucodec.codecs.registry import BACKENDS
from gpucodec.errors import ParameterError
from gpucodec.transcoder.batcher import DEFAULT_MAX_MEMORY
from gpucodec.transcoder.plan import make_plan
from gpucodec.transcoder.report import Report
from gpucodec.transcoder.settings import Listener, Settings
from gpucodec.transcoder.targets import encode_options, resolve_target, transfer_syntax_name

__all__ = ["transcode"]

_Path = str | os.PathLike[str]


def transcode(
    source: _Path | Sequence[_Path],
    destination: _Path,
    uid: str,
    *,
    backend: str = "auto",
    verify: bool = True,
    overwrite: bool = False,
    workers: int | None = None,
    max_memory: int = DEFAULT_MAX_MEMORY,
    generate_instance_uid: bool = True,
    encapsulate_ext: bool = False,
    listener: Listener | None = None,
    **options: Any,
) -> Report:
    """Transcode DICOM files, with one file's failure never in the way of the others.

    Each file is written under a temporary name in its destination's folder, brought to the disk, decoded again,
    compared with the source, and only then renamed. Memory is bounded by `max_memory`, not by the files.
    A file that already is in the target's transfer syntax is decoded and encoded like any other.

    Parameters
    ----------
    source : path or sequence of paths
        Files and folders; folders are searched, and their tree is mirrored (see `gpucodec.transcoder.plan`).
    destination : path
        A folder, or for a single file the file to be written. It may be the source itself with `overwrite`.
    uid : str
        A Transfer Syntax UID or a short name, such as ``"j2k"`` (see `gpucodec.transcoder.targets.TARGETS`).
    backend : str, default "auto"
        The backend that must encode, or ``"auto"`` for the fastest that can.
    verify : bool, default True
        Whether to decode what was written and compare: equal for lossless, within `jls_error` for near-lossless;
        for a ratio or a PSNR the PSNR is reported.
    overwrite : bool, default False
        Whether an existing destination is replaced. Otherwise it makes its file a failure.
    workers : int, optional
        Files worked on at once and worker processes for libraries; as many as there are CPUs if not given.
    max_memory : int, default 256 MiB
        Bytes for the frames being worked on, shared by the files worked on at once. A frame that is larger than
        its share is still worked on, alone.
    generate_instance_uid : bool, default True
        Whether a compressed file gets a new SOP Instance UID.
    encapsulate_ext : bool, default False
        Whether to write an extended offset table although the basic one would do.
    listener : Listener, optional
        Hears of the progress.
    **options
        ``jls_error``, ``j2k_cr``, ``j2k_psnr`` as in pydicom.

    Returns
    -------
    Report
        What happened to each file; `Report.ok` says whether nothing failed.

    Raises
    ------
    ParameterError
        Before anything is written: an option, a name or a path is not allowed.
    KeyboardInterrupt
        After temporary files were removed.
    """
    target = resolve_target(uid)
    checked = encode_options(target, **options)
    if backend != "auto" and backend not in BACKENDS:
        raise ParameterError(f"No backend named '{backend}', allowed are auto, {', '.join(BACKENDS)}")
    for name, value in (("workers", workers), ("max_memory", max_memory)):
        if value is not None and value < 1:
            raise ParameterError(f"A '{name}' value of '{value}' is not allowed, must be 1 or more")
    sources = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    into_folder = os.fspath(destination).endswith(("/", os.sep))
    plan = make_plan([Path(path) for path in sources], Path(destination), into_folder=into_folder)

    # What follows loads pydicom and starts workers: only once it is known that there is something to do.
    from gpucodec.libraries import pool
    from gpucodec.transcoder.runner import available_cpus, run_plan

    settings = Settings(
        target, checked, backend, verify, overwrite, generate_instance_uid, encapsulate_ext, max_memory
    )  # fmt: skip
    if workers is not None:
        pool.set_workers(workers)
    start = time.perf_counter()
    files = run_plan(plan, settings, workers or available_cpus(), listener or Listener())
    return Report(target, transfer_syntax_name(target), files, time.perf_counter() - start)
