"""A short campaign on every run, and proof that a campaign notices what must not be."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from gpucodec.codecs.formats import FORMATS
from gpucodec.transcoder.targets import TARGETS
from tests.fuzz import campaign
from tests.fuzz.child import Child, ChildError
from tests.fuzz.sources import sources
from tests.mutation import MUTATIONS, mutated

_FILES = 150


def test_mutated_files_fail_cleanly_or_are_what_pydicom_reads(tmp_path: Path) -> None:
    summary = campaign.Summary()
    for summary in campaign.run(_FILES, seed=20240502, kept=tmp_path):  # noqa: B007 - the last one counts
        pass
    assert summary.violations == []
    assert summary.files == sum(summary.outcomes.values()) == _FILES
    assert summary.outcomes["CodestreamError"] > 10
    assert summary.compared["equal"] > 5
    assert summary.peak_megabytes < 2000


def test_every_kind_of_transfer_syntax_is_among_the_sources() -> None:
    uids = {uid for _, uid, _ in sources()}
    assert {FORMATS[uid].family for uid in uids if uid in FORMATS} >= {"rle", "jpeg", "jpegls", "jpeg2000"}
    assert len(uids - set(FORMATS)) == 4  # implicit, explicit, big-endian, deflated
    assert {target for target, _ in campaign.TARGETS} == {name for name in TARGETS if "htj2k" not in name}


def test_mutations_can_be_made_again_and_change_the_file() -> None:
    content = _real("MR_small_RLE.dcm").read_bytes()
    once, again = ([mutated(content, np.random.default_rng([3, index])) for index in range(200)] for _ in range(2))
    assert once == again
    assert sum(changed != content for changed, _ in once) > 180
    names = {name for _, what in once for name in what.split(", ")}
    assert len(names) == len(MUTATIONS)


def _real(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    return Path(found)


def test_a_process_that_dies_hangs_or_raises_is_noticed_and_the_next_call_works() -> None:
    with Child(seconds=5) as child:
        with pytest.raises(ChildError, match="died with exit code 3"):
            child(os._exit, 3)
        with pytest.raises(ChildError, match="ZeroDivisionError"):
            child(divmod, 1, 0)
        assert child(divmod, 7, 2) == (3, 1)
    with Child(seconds=0.5) as child, pytest.raises(ChildError, match="no answer"):
        child(time.sleep, 60)


def _with_one_sample_changed(source: str, written: str, target: str, options: dict[str, Any]) -> Any:
    answer = campaign._transcode(source, written, target, options)
    ds = pydicom.dcmread(written)
    ds.PixelData = ds.PixelData[:-1] + bytes([ds.PixelData[-1] ^ 1])
    ds.save_as(written)
    return answer


def _with_a_leftover(source: str, written: str, target: str, options: dict[str, Any]) -> Any:
    Path(written).with_name("leftover.part").touch()
    return campaign._transcode(source, written, target, options)


def _with_an_unexpected_error(source: str, written: str, target: str, options: dict[str, Any]) -> Any:
    report, peak = campaign._transcode(source, written, target, options)
    return report | {"status": "failed", "error_type": "IndexError", "error": "IndexError: of all things"}, peak


@pytest.mark.parametrize(
    ("fault", "name", "message"),
    [
        (_with_one_sample_changed, "MR_small.dcm", "samples differ by up to"),
        (_with_a_leftover, "rtplan.dcm", "left ['leftover.part']"),
        (_with_an_unexpected_error, "MR_small.dcm", "IndexError: of all things"),
    ],
)
def test_what_must_not_be_is_noticed(fault: Any, name: str, message: str) -> None:
    def coder(_: Any, *arguments: Any) -> Any:
        return fault(*arguments)

    def reader(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    wrong = campaign._check(_real(name), "explicit", {}, coder, reader, campaign.Summary())
    assert message in wrong
