"""Which files are found and where they go."""

import os
from pathlib import Path

import pytest

from gpucodec.errors import ParameterError
from gpucodec.transcoder.plan import Plan, make_plan


def _tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def _pairs(plan: Plan, root: Path) -> dict[str, str]:
    return {str(task.source.relative_to(root)): str(task.destination.relative_to(root)) for task in plan.tasks}


def test_one_file_goes_to_a_file_that_does_not_exist(tmp_path: Path) -> None:
    _tree(tmp_path, "a.dcm")
    assert _pairs(make_plan([tmp_path / "a.dcm"], tmp_path / "b.dcm"), tmp_path) == {"a.dcm": "b.dcm"}


def test_one_file_goes_into_a_folder_that_exists_or_is_meant(tmp_path: Path) -> None:
    _tree(tmp_path, "a.dcm")
    (tmp_path / "out").mkdir()
    expected = {"a.dcm": "out/a.dcm"}
    assert _pairs(make_plan([tmp_path / "a.dcm"], tmp_path / "out"), tmp_path) == expected
    expected = {"a.dcm": "new/a.dcm"}
    assert _pairs(make_plan([tmp_path / "a.dcm"], tmp_path / "new", into_folder=True), tmp_path) == expected


def test_one_folder_is_mirrored_in_the_order_of_names(tmp_path: Path) -> None:
    _tree(tmp_path, "in/z", "in/a/b/c.dcm", "in/a/b.dcm")
    plan = make_plan([tmp_path / "in"], tmp_path / "out")
    assert list(_pairs(plan, tmp_path).items()) == [
        ("in/a/b/c.dcm", "out/a/b/c.dcm"),
        ("in/a/b.dcm", "out/a/b.dcm"),
        ("in/z", "out/z"),
    ]
    assert [task.num_bytes for task in plan.tasks] == [12, 10, 4]


def test_of_several_sources_folders_keep_their_names(tmp_path: Path) -> None:
    _tree(tmp_path, "one/x", "two/x", "f")
    plan = make_plan([tmp_path / "one", tmp_path / "two", tmp_path / "f"], tmp_path / "out")
    assert _pairs(plan, tmp_path) == {"one/x": "out/one/x", "two/x": "out/two/x", "f": "out/f"}


def test_two_sources_for_one_destination_are_refused(tmp_path: Path) -> None:
    _tree(tmp_path, "one/x", "two/x")
    with pytest.raises(ParameterError, match="would both be written to"):
        make_plan([tmp_path / "one/x", tmp_path / "two/x"], tmp_path / "out")


@pytest.mark.parametrize("sources", [["in"], ["in/x", "in/y"]])
def test_a_file_is_no_destination_for_a_folder_or_several_sources(tmp_path: Path, sources: list[str]) -> None:
    _tree(tmp_path, "in/x", "in/y", "file")
    with pytest.raises(ParameterError, match="must be a folder"):
        make_plan([tmp_path / name for name in sources], tmp_path / "file")


def test_a_source_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="no such file or folder"):
        make_plan([tmp_path / "missing"], tmp_path / "out")


def test_a_source_that_would_be_overwritten_before_it_is_read_is_refused(tmp_path: Path) -> None:
    _tree(tmp_path, "d/d/x", "d/x")
    with pytest.raises(ParameterError, match="would overwrite the source"):
        make_plan([tmp_path / "d"], tmp_path)


def test_a_folder_may_be_its_own_destination(tmp_path: Path) -> None:
    _tree(tmp_path, "in/x", "in/sub/y")
    assert _pairs(make_plan([tmp_path / "in"], tmp_path / "in"), tmp_path) == {"in/x": "in/x", "in/sub/y": "in/sub/y"}


def test_a_destination_inside_a_source_is_not_read(tmp_path: Path) -> None:
    _tree(tmp_path, "in/x", "in/out/old")
    plan = make_plan([tmp_path / "in"], tmp_path / "in/out")
    assert _pairs(plan, tmp_path) == {"in/x": "in/out/x"}
    assert plan.skipped == ((tmp_path / "in/out", "the destination"),)


def test_hidden_files_and_dicomdir_in_folders_are_skipped_with_a_reason(tmp_path: Path) -> None:
    _tree(tmp_path, "in/x", "in/.x.0123456789ab.part", "in/.git/y", "in/DICOMDIR")
    plan = make_plan([tmp_path / "in"], tmp_path / "out")
    assert _pairs(plan, tmp_path) == {"in/x": "out/x"}
    assert {path.name: reason.split()[0] for path, reason in plan.skipped} == {
        ".x.0123456789ab.part": "hidden",
        ".git": "hidden",
        "DICOMDIR": "a",
    }


def test_links_to_files_are_followed_and_links_to_folders_are_not(tmp_path: Path) -> None:
    _tree(tmp_path, "elsewhere/real", "in/x")
    (tmp_path / "in/file").symlink_to(tmp_path / "elsewhere/real")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/broken").symlink_to(tmp_path / "nowhere")
    plan = make_plan([tmp_path / "in"], tmp_path / "out")
    assert _pairs(plan, tmp_path) == {"in/file": "out/file", "in/x": "out/x"}
    assert plan.skipped == ((tmp_path / "in/loop", "a symbolic link to a folder"),)
    assert [path.name for path, _ in plan.unreadable] == ["broken"]


def test_pipes_are_never_opened(tmp_path: Path) -> None:
    _tree(tmp_path, "in/x")
    os.mkfifo(tmp_path / "in/pipe")
    (tmp_path / "in/link").symlink_to(tmp_path / "in/pipe")
    plan = make_plan([tmp_path / "in"], tmp_path / "out")
    assert _pairs(plan, tmp_path) == {"in/x": "out/x"}
    assert [path.name for path, _ in plan.skipped] == ["pipe"]
    assert [path.name for path, _ in plan.unreadable] == ["link"]
    with pytest.raises(ParameterError, match="neither a file nor a folder"):
        make_plan([tmp_path / "in/pipe"], tmp_path / "out")
