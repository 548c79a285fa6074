"""The demo does what it says: a table, and 0 only if all is verified."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import gpucodec
from gpucodec.transcoder import job

_DEMO = Path(__file__).resolve().parents[2] / "examples/demo.py"


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", _DEMO)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_files_reach_all_targets(demo: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(tmp_path) == 0
    shown = capsys.readouterr().out
    assert "30 of 30 verified" in shown
    assert shown.count("cpu (rle)") == 5
    for target in demo.TARGETS:
        assert sorted(path.name for path in (tmp_path / target).iterdir()) == sorted(demo.FILES)


def test_one_file_that_fails_is_not_hidden(
    demo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object, **keywords: object) -> None:
        raise gpucodec.errors.CodestreamError("no")

    monkeypatch.setattr(demo, "TARGETS", {"rle": ("rle", {})})
    monkeypatch.setattr(job.FrameFlow, "encoded", refuse)
    assert demo.main(tmp_path) == 1
    assert "0 of 5 verified" in capsys.readouterr().out
