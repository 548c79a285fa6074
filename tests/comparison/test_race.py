"""Contenders take turns; what crashes, hangs or is wrong is said so and costs the others nothing."""

import numpy as np
import pytest

from gpucodec.comparison.contenders import Job, contenders
from gpucodec.comparison.race import Race, Settings
from gpucodec.frames import FrameSpec
from tests.comparison import fake_contenders as fake

RLE, JPEG_LS, NEAR = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"


@pytest.fixture
def frames():
    return np.random.default_rng(7).integers(0, 4096, (3, 40, 50), dtype=np.uint16)


def job_of(frames, uid, **options):
    return Job(uid, FrameSpec.from_array(frames, bits_stored=12), len(frames), options)


def race(who, frames, uid, *, patience=120.0, directions=("encode", "decode"), **options):
    with Race(who, Settings(rounds=2, patience=patience), lambda _: None) as running:
        rows = list(running.run("codecs", "noise", frames, job_of(frames, uid, **options), directions))
    return {(row.contender, row.direction): row for row in rows}


def test_whoever_is_right_has_figures_and_nobody_else(frames):
    who = [fake.Honest(), fake.Unable(), fake.Crashing(), fake.Failing(), fake.Wrong(), fake.Short()]
    rows = race(who, frames, RLE)
    honest = rows["honest", "encode"]
    assert honest.is_valid
    assert honest.verdict == "equal"
    assert len(honest.seconds) == len(honest.cpu_seconds) == 2
    assert honest.first_seconds > 0
    assert honest.raw_bytes == frames.nbytes
    assert honest.ratio == pytest.approx(frames.nbytes / honest.encoded_bytes)
    assert honest.bits_per_sample == pytest.approx(8 * honest.encoded_bytes / frames.size)
    assert {key for key, row in rows.items() if row.is_valid} == {
        ("honest", "encode"),
        ("honest", "decode"),
        ("short", "decode"),
    }


def test_each_failure_says_what_it_was(frames):
    who = [fake.Unable(), fake.Crashing(), fake.Failing(), fake.Wrong(), fake.Short()]
    rows = race(who, frames, RLE)
    assert rows["unable", "encode"].problem == "cannot: it was never written"
    assert rows["crashing", "encode"].problem == "crashed: SIGSEGV"
    assert rows["crashing", "decode"].problem == "crashed: its process ended with 3"
    assert rows["failing", "encode"].problem == "failed: ValueError: no such luck"
    assert rows["failing", "decode"].verdict == "WRONG: shape (1, 2, 3) instead of (3, 40, 50)"
    assert rows["wrong", "encode"].verdict == "WRONG: samples differ by up to 1"
    assert rows["wrong", "decode"].verdict == "WRONG: samples differ by up to 1"
    assert rows["short", "encode"].verdict == "WRONG: 2 codestreams of 3 frames"
    assert not rows["wrong", "encode"].seconds


def test_one_that_hangs_is_ended(frames):
    rows = race([fake.Hanging(), fake.Honest()], frames, RLE, patience=6.0, directions=("encode",))
    assert rows["hanging", "encode"].problem == "timed out after 6 s"
    assert rows["honest", "encode"].is_valid


def test_near_lossless_results_may_differ_by_what_was_asked_for(frames):
    rows = race([fake.Honest(), fake.Wrong()], frames, NEAR, jls_error=3)
    assert rows["honest", "encode"].verdict == "within 3"
    assert rows["honest", "decode"].is_valid


def test_every_contender_that_is_able_is_right_about_signed_frames():
    signed = np.random.default_rng(3).integers(-500, 500, (2, 48, 64), dtype=np.int16)
    rows = race([who for who in contenders() if who.name != "gpucodec (cuda)"], signed, JPEG_LS)
    able = {key: row.problem or row.verdict for key, row in rows.items() if not row.problem.startswith("cannot")}
    assert set(able.values()) == {"equal"}, able
    assert ("gpucodec (cpu)", "encode") in able
    assert ("pydicom: pyjpegls", "encode") in able


def test_what_it_costs_is_told(frames):
    row = race([fake.Honest()], frames, RLE, directions=("encode",))["honest", "encode"]
    assert all(seconds > 0 for seconds in row.seconds)
    assert row.peak_bytes is None or row.peak_bytes > frames.nbytes
