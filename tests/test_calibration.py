"""The file of calibrations: where it is, written whole, and never a reason to fail."""

import json
import os
import sys
from pathlib import Path

import pytest

from gpucodec import calibration
from gpucodec.calibration import Calibration, Stored, path, read, store
from gpucodec.driver import Gpu
from gpucodec.errors import GpucodecError

T4, A100 = Gpu(0, "Tesla T4", (7, 5), 40), Gpu(1, "A100", (8, 0), 108)
MEASURED = Calibration("2026-11-23", 8, {"cuda rle encode": 2_000_000, "cuda rle decode": None})


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "gpucodec" / "calibration.json"


def test_it_lies_where_each_system_keeps_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    tail = Path("gpucodec") / "calibration.json"
    monkeypatch.setattr(sys, "platform", "linux")
    for given, folder in ((str(tmp_path / "x"), tmp_path / "x"), ("not/absolute", tmp_path / ".config")):
        monkeypatch.setenv("XDG_CONFIG_HOME", given)
        assert path() == folder / tail
    monkeypatch.setattr(sys, "platform", "darwin")
    assert path() == tmp_path / "Library" / "Application Support" / tail
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    assert path() == tmp_path / "roaming" / tail


def test_what_is_stored_is_read_for_that_gpu_alone(settings: Path) -> None:
    assert read() == Stored()
    assert store(T4, MEASURED) == settings
    assert read().of(T4) == MEASURED
    assert read().of(A100) is None
    other = Calibration("2027-01-01", 2, {})
    store(A100, other)
    assert (read().of(T4), read().of(A100), read().problem) == (MEASURED, other, "")
    assert [file.name for file in settings.parent.iterdir()] == ["calibration.json"]


def test_another_version_of_gpucodec_measures_again(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(T4, MEASURED)
    monkeypatch.setattr("gpucodec.__version__", "99.0")
    assert read().of(T4) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Expecting value"),
        (b'{"format": 1, "gpus": {', "Expecting"),
        (b"\xff\xfe\x00", "codec can't decode"),
        (b"[" * 100_000, ""),
        (b"[]", "not a calibration of this version"),
        (b'{"format": 2, "gpus": {}}', "not a calibration of this version"),
        (b'{"format": 1, "gpus": []}', "not a calibration of this version"),
        (b'{"format": 1, "gpus": {"T4": 3}}', "entry for 'T4'"),
        (b'{"format": 1, "gpus": {"T4": {"date": 3, "threads": 1, "thresholds": {}}}}', "entry for 'T4'"),
        (b'{"format": 1, "gpus": {"T4": {"date": "", "threads": 1, "thresholds": {"x": -1}}}}', "entry for 'T4'"),
        (b'{"format": 1, "gpus": {"T4": {"date": "", "threads": 1, "thresholds": {"x": true}}}}', "entry for 'T4'"),
        (b" " * 2_000_000, "2000000 bytes"),
    ],
)
def test_a_damaged_or_foreign_file_is_no_reason_to_fail(settings: Path, content: bytes, words: str) -> None:
    settings.parent.mkdir()
    settings.write_bytes(content)
    found = read()
    assert found.calibrations == {}
    assert found.problem
    assert words in found.problem
    store(T4, MEASURED)  # and it is replaced by the next calibration
    assert read().of(T4) == MEASURED


def test_a_file_that_cannot_be_read_is_told(settings: Path) -> None:
    settings.mkdir(parents=True)  # a folder of that name
    assert read().problem
    with pytest.raises(GpucodecError, match="cannot be kept"):
        store(T4, MEASURED)
    assert [file.name for file in settings.parent.iterdir()] == ["calibration.json"]


def test_half_a_file_never_has_the_name(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(T4, MEASURED)
    before = settings.read_bytes()

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(GpucodecError, match="no space left"):
        store(A100, MEASURED)
    assert settings.read_bytes() == before
    assert [file.name for file in settings.parent.iterdir()] == ["calibration.json"]


def test_no_home_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", fail)
    assert "no folder for settings" in read().problem


def test_the_file_is_plain_json(settings: Path) -> None:
    store(T4, MEASURED)
    content = json.loads(settings.read_text())
    assert content["format"] == calibration._FORMAT
    (entry,) = content["gpus"].values()
    assert entry == {"date": "2026-11-23", "threads": 8, "thresholds": dict(MEASURED.thresholds)}
