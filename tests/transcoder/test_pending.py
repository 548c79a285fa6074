"""Temporary files: they get their name whole, or vanish."""

import fcntl
import os
from pathlib import Path

import pytest

from gpucodec.transcoder.pending import PendingFile, remove_leftovers


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _fail_half_way(target: Path) -> None:
    with PendingFile(target) as pending:
        pending.file.write(b"half")
        raise ZeroDivisionError


def test_a_committed_file_has_its_name_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "new/folder/out.dcm"
    with PendingFile(target) as pending:
        pending.file.write(b"whole")
        assert pending.path.parent == target.parent
        assert pending.path.name.startswith(".")
        assert pending.path.name.endswith(".part")
        pending.sync()
        assert pending.path.read_bytes() == b"whole"
        assert not target.exists()
        pending.commit()
    assert target.read_bytes() == b"whole"
    assert _names(target.parent) == ["out.dcm"]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "out.dcm"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        _fail_half_way(target)
    assert target.read_bytes() == b"old"
    assert _names(tmp_path) == ["out.dcm"]


def test_the_file_has_the_permissions_that_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with PendingFile(tmp_path / "out.dcm") as pending:
            pending.commit()
    finally:
        os.umask(before)
    assert (tmp_path / "out.dcm").stat().st_mode & 0o777 == 0o640


def test_a_name_at_the_limit_of_the_file_system_is_fine(tmp_path: Path) -> None:
    target = tmp_path / ("ä" * 127)
    with PendingFile(target) as pending:
        pending.commit()
    assert target.exists()


def test_leftovers_are_removed_but_not_the_file_that_a_living_run_writes(tmp_path: Path) -> None:
    leftover = tmp_path / ".a.dcm.0123456789ab.part"
    leftover.write_bytes(b"from a run that was killed")
    other = tmp_path / ".notes.part"
    other.write_bytes(b"not ours")
    with PendingFile(tmp_path / "b.dcm") as living:
        remove_leftovers([tmp_path, tmp_path / "missing"])
        assert _names(tmp_path) == sorted([other.name, living.path.name])


def test_a_file_taken_for_a_leftover_before_it_was_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    taken: list[Path] = []

    def take_first(descriptor: int, operation: int) -> None:
        if not taken:
            taken.extend(tmp_path.glob(".*.part"))
            taken[0].unlink()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", take_first)
    with PendingFile(tmp_path / "out.dcm") as pending:
        assert pending.path != taken[0]
        pending.commit()
    assert _names(tmp_path) == ["out.dcm"]
