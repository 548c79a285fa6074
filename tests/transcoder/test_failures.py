"""Whatever goes wrong: nothing wrong under the final name, no leftovers, and the other files go on."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

import gpucodec
from gpucodec.codecs.base import EncodeRequest
from gpucodec.codecs.rle import RleCodec
from gpucodec.frames import FrameBatch
from gpucodec.transcoder import job
from gpucodec.transcoder.report import FileReport
from tests.mutation import mutated

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

_Copy = Callable[..., Path]


@pytest.fixture
def source(tmp_path: Path, copy_real: _Copy) -> Path:
    return copy_real(tmp_path / "in", "CT_small.dcm", "MR_small.dcm")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def _by_name(files: list[FileReport]) -> dict[str, FileReport]:
    return {Path(file.source).name: file for file in files}


def _tampered(change: Callable[[list[bytes]], list[bytes]]) -> Callable[..., Any]:
    original = RleCodec.begin_encode

    def begin_encode(*arguments: Any) -> Callable[[], list[bytes]]:
        codestreams = original(*arguments)()
        return lambda: change(codestreams)

    return begin_encode


def _flip(codestreams: list[bytes]) -> list[bytes]:
    """Change the first value of the RLE codestream's first segment (behind the header and a length)."""
    changed = bytearray(codestreams[-1])
    changed[65] ^= 1
    return [*codestreams[:-1], bytes(changed)]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("MR_small.dcm", _flip),
        ("MR_small.dcm", lambda codestreams: [codestream[:-100] for codestream in codestreams]),
        ("SC_rgb_rle_16bit_2frame.dcm", lambda codestreams: codestreams[::-1]),
    ],
    ids=["one sample", "cut off", "frames exchanged"],
)
def test_what_does_not_decode_to_the_source_is_never_given_its_name(
    tmp_path: Path,
    copy_real: _Copy,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    change: Callable[[list[bytes]], list[bytes]],
) -> None:
    source = copy_real(tmp_path / "in", name)
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(b"old")
    monkeypatch.setattr(RleCodec, "begin_encode", _tampered(change))
    (file,) = gpucodec.transcode(source, out, "rle", overwrite=True).files
    assert (file.status, file.error_type, file.verified) == ("failed", "VerificationError", False)
    assert _names(out) == [name]
    assert (out / name).read_bytes() == b"old"


def test_without_verification_the_same_fault_goes_through(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proves that it is the verification that notices, and not a check on the way."""
    monkeypatch.setattr(RleCodec, "begin_encode", _tampered(_flip))
    (file,) = gpucodec.transcode(source / "MR_small.dcm", tmp_path / "out.dcm", "rle", verify=False).files
    assert file.status == "done"


def test_an_existing_file_is_not_replaced_unasked(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "CT_small.dcm").write_bytes(b"old")
    files = _by_name(gpucodec.transcode(source, out, "rle").files)
    assert files["CT_small.dcm"].status == "failed"
    assert "exists" in files["CT_small.dcm"].error
    assert (out / "CT_small.dcm").read_bytes() == b"old"
    assert files["MR_small.dcm"].status == "done"


def test_what_is_no_image_fails_with_a_reason_and_the_others_go_on(
    tmp_path: Path, source: Path, copy_real: _Copy
) -> None:
    copy_real(source, "rtplan.dcm", "MR_truncated.dcm", "liver_1frame.dcm")
    (source / "text.txt").write_text("no DICOM at all")
    (source / "empty.dcm").touch()
    (source / "secret.dcm").symlink_to(tmp_path / "nowhere")
    files = _by_name(gpucodec.transcode(source, tmp_path / "out", "rle").files)
    failed = {name: file.error for name, file in files.items() if file.status == "failed"}
    assert set(failed) == {"rtplan.dcm", "MR_truncated.dcm", "liver_1frame.dcm", "text.txt", "empty.dcm", "secret.dcm"}
    assert "Pixel Data" in failed["rtplan.dcm"]
    assert "less than expected" in failed["MR_truncated.dcm"]
    assert "Bits Allocated" in failed["liver_1frame.dcm"]
    assert "not a DICOM file" in failed["text.txt"]
    assert all(error and "\n" not in error for error in failed.values())
    assert _names(tmp_path / "out") == ["CT_small.dcm", "MR_small.dcm"]


def test_an_error_nobody_thought_of_ends_its_file_only(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = RleCodec.begin_encode

    def begin_encode(codec: RleCodec, batch: FrameBatch, request: EncodeRequest) -> Any:
        if batch.spec.rows == 64:
            raise ZeroDivisionError("of all things")
        return original(codec, batch, request)

    monkeypatch.setattr(RleCodec, "begin_encode", begin_encode)
    files = _by_name(gpucodec.transcode(source, tmp_path / "out", "rle").files)
    assert files["MR_small.dcm"].error == "ZeroDivisionError: of all things"
    assert "in begin_encode" in files["MR_small.dcm"].traceback
    assert _names(tmp_path / "out") == ["CT_small.dcm"]


def test_what_no_backend_can_do_is_refused_with_the_reason_of_each(tmp_path: Path, source: Path) -> None:
    files = gpucodec.transcode(source, tmp_path / "out", "htj2k", backend="library").files
    assert {file.error_type for file in files} == {"UnsupportedError"}
    assert all("pylibjpeg-openjpeg" in file.error for file in files)
    assert _names(tmp_path / "out") == []


def test_a_disk_that_is_full_ends_its_file_only(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = job.EncapsulatedWriter.write_frames

    def write_frames(writer: Any, codestreams: list[bytes]) -> None:
        original(writer, codestreams)
        if writer._dataset.Rows == 128:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(job.EncapsulatedWriter, "write_frames", write_frames)
    files = _by_name(gpucodec.transcode(source, tmp_path / "out", "rle").files)
    assert files["CT_small.dcm"].error == "No space left on device"
    assert _names(tmp_path / "out") == ["MR_small.dcm"]


_LIMITED = """
import resource, signal, sys
import gpucodec
gpucodec.transcode(sys.argv[1], sys.argv[2] + "-before", "rle")  # compiles what is not compiled yet
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, 15_000))
report = gpucodec.transcode(sys.argv[1], sys.argv[2], "rle", workers=1)
for file in report.files:
    print(file.status, file.source.rsplit("/")[-1], file.error)
"""


def test_a_real_limit_of_the_file_system_is_an_error_too(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", _LIMITED, str(source), str(out)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["failed CT_small.dcm File too large", "done MR_small.dcm "]
    assert _names(out) == ["MR_small.dcm"]


# Stops in the middle of a file, says so, and goes on when told.
_STOPPING = """
import sys
from gpucodec.transcoder import job
original = job.EncapsulatedWriter.write_frames
def write_frames(self, codestreams):
    original(self, codestreams)
    self._file.flush()
    print("half way", flush=True)
    sys.stdin.readline()
job.EncapsulatedWriter.write_frames = write_frames
from gpucodec.cli.app import main
sys.argv = ["gpucodec", "transcode", *sys.argv[1:], "--to", "rle", "--workers", "1", "--max-memory", "1"]
main()
"""


def _stopped_half_way(source: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _STOPPING, str(source), str(out)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half way\n"
    return process


def test_a_killed_run_leaves_no_file_and_the_next_run_clears_up(tmp_path: Path, copy_real: _Copy) -> None:
    name = "SC_rgb_rle_16bit_2frame.dcm"
    source, out = copy_real(tmp_path / "in", name), tmp_path / "out"
    with _stopped_half_way(source, out) as process:
        process.kill()
        process.wait()
    (leftover,) = _names(out)
    assert leftover.startswith(".")
    assert leftover.endswith(".part")
    report = gpucodec.transcode(out, tmp_path / "again", "rle")
    assert [file.status for file in report.files] == ["skipped"]
    assert gpucodec.transcode(source, out, "rle").ok
    assert _names(out) == [name]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, copy_real: _Copy, number: int, code: int) -> None:
    source, out = copy_real(tmp_path / "in", "SC_rgb_rle_16bit_2frame.dcm", "MR_small.dcm"), tmp_path / "out"
    with _stopped_half_way(source, out) as process:
        process.send_signal(number)
        process.communicate("\n" * 10)
    assert process.returncode == code
    assert [name for name in _names(out) if name.startswith(".")] == []
    assert "SC_rgb_rle_16bit_2frame.dcm" not in _names(out)


@pytest.mark.parametrize("target", ["explicit", "rle", "jpegls", "j2k"])
def test_codestreams_of_more_bits_than_the_dataset_says_are_refused(
    tmp_path: Path, real_file: Callable[[str], Path], target: str
) -> None:
    """Each reader would make something else of such samples: some cut them off, some do not."""
    ds = pydicom.dcmread(real_file("MR_small_jp2klossless.dcm"))
    ds.BitsStored, ds.HighBit = 8, 7
    assert ds.pixel_array.max() > 255
    ds.save_as(tmp_path / "in.dcm")
    (file,) = gpucodec.transcode(tmp_path / "in.dcm", tmp_path / "out.dcm", target).files
    assert file.error_type == "ParameterError"
    assert "outside the allowable range" in file.error
    assert _names(tmp_path) == ["in.dcm"]


_DAMAGED = ("MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm")


def test_damaged_files_of_one_run_fail_or_are_what_pydicom_reads(
    tmp_path: Path, real_file: Callable[[str], Path], read_pixels: Callable[..., np.ndarray]
) -> None:
    rng = np.random.default_rng(20240501)
    folder = tmp_path / "in"
    folder.mkdir()
    for name in _DAMAGED:
        for number in range(12):
            (folder / f"{number:02}-{name}").write_bytes(mutated(real_file(name).read_bytes(), rng)[0])
    report = gpucodec.transcode(folder, tmp_path / "out", "explicit")
    done = [file for file in report.files if file.status == "done"]
    assert len(report.files) == 48
    assert _names(tmp_path / "out") == sorted(Path(file.source).name for file in done)
    compared = 0
    for file in done:
        assert file.verified is True
        try:
            expected = read_pixels(Path(file.source))
        except Exception:  # pydicom refuses in many ways what can be read
            continue
        np.testing.assert_array_equal(read_pixels(Path(file.destination)), expected)
        compared += 1
    assert compared > 5
