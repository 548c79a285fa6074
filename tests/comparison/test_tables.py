"""Rows survive JSON, and what got slower is found although machines drift."""

import pytest

from gpucodec.comparison.rows import Row
from gpucodec.comparison.tables import bench_tables, left_out, ordered, read_rows, slower_than, write_rows
from gpucodec.errors import ParameterError

RLE = "1.2.840.10008.1.2.5"


def row(contender, seconds, *, peer=True, verdict="equal", problem="", direction="encode"):
    return Row(
        "codecs", "CT", RLE, direction, contender, samples=100, raw_bytes=10**6, encoded_bytes=5 * 10**5,
        seconds=seconds, cpu_seconds=list(seconds), verdict=verdict, problem=problem, is_peer=peer,
    )  # fmt: skip


def test_rows_survive_json(tmp_path):
    rows = [row("ours", [0.1, 0.2, 0.3], peer=False), row("theirs", [], problem="crashed: SIGSEGV")]
    write_rows(tmp_path / "rows.json", rows, {"cpus": 2}, "gpucodec bench")
    assert read_rows(tmp_path / "rows.json") == (rows, {"cpus": 2})


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"kind": "something else"}', '{"kind": "gpucodec bench", "rows": 3}']
)
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "old.json"
    path.write_text(content)
    with pytest.raises(ParameterError, match=r"old\.json"):
        read_rows(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="cannot be read"):
        read_rows(tmp_path / "nowhere.json")


def test_what_takes_longer_is_slower():
    old = [row("ours", [0.1] * 3, peer=False)]
    found = slower_than([row("ours", [0.2] * 3, peer=False)], old)
    assert [entry.factor for entry in found] == [pytest.approx(2.0)]
    assert slower_than([row("ours", [0.105] * 3, peer=False)], old) == []


def test_a_slower_machine_is_no_slower_codec():
    old = [row("ours", [0.1] * 3, peer=False), row("theirs", [1.0] * 3)]
    assert slower_than([row("ours", [0.2] * 3, peer=False), row("theirs", [2.0] * 3)], old) == []
    # a faster machine must not hide it either
    found = slower_than([row("ours", [0.1] * 3, peer=False), row("theirs", [0.5] * 3)], old)
    assert [entry.factor for entry in found] == [pytest.approx(2.0)]


def test_noise_within_the_spread_is_not_slower():
    old = [row("ours", [0.1, 0.1, 0.16], peer=False)]
    assert slower_than([row("ours", [0.1, 0.13, 0.16], peer=False)], old) == []


def test_wrong_results_are_never_fast():
    rows = [
        row("slow", [0.9] * 3),
        row("wrong", [0.1] * 3, verdict="WRONG: samples differ by up to 1"),
        row("fast", [0.2] * 3),
    ]
    assert [entry.contender for entry in ordered(rows)] == ["fast", "slow", "wrong"]
    assert not rows[1].is_valid
    assert "megabytes_per_second" not in rows[1].as_dict()


def test_who_cannot_is_listed_once_and_not_in_tables():
    rows = [row("theirs", [], problem="cannot: not installed", direction=way) for way in ("encode", "decode")]
    assert left_out(rows) == ["theirs: not installed (RLE Lossless encode, RLE Lossless decode)"]
    assert bench_tables(rows) == []
    assert bench_tables([row("ours", [0.1])])[0].row_count == 1
