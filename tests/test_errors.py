"""The exception tree: what callers catch, what messages hold, and that errors survive the way between processes."""

import pickle

import pytest

from gpucodec import errors


def test_errors_are_what_their_names_promise() -> None:
    bases = {
        errors.CodestreamError: ValueError,
        errors.TruncatedCodestreamError: errors.CodestreamError,
        errors.UnsupportedError: NotImplementedError,
        errors.ParameterError: ValueError,
        errors.LimitExceededError: ValueError,
        errors.BackendUnavailableError: RuntimeError,
        errors.WorkerError: RuntimeError,
    }
    for error, base in bases.items():
        assert issubclass(error, base)
        assert issubclass(error, errors.GpucodecError)


def test_a_codestream_error_tells_where() -> None:
    error = errors.CodestreamError("no segment", format="RLE", frame=0, segment=2, offset=8, marker="SIZ")
    assert str(error) == "RLE: no segment (frame 0, segment 2, offset 8, marker SIZ)"
    assert str(errors.CodestreamError("no segment")) == "no segment"


def test_an_unsupported_error_gives_each_backend_s_reasons() -> None:
    error = errors.UnsupportedError("Unable", {"cuda": ["no GPU", "too many bits"], "cpu": ["no"]})
    assert str(error) == "Unable\n  cuda: no GPU; too many bits\n  cpu: no"


@pytest.mark.parametrize(
    "error",
    [
        errors.TruncatedCodestreamError("short", format="RLE", frame=3, offset=9),
        errors.UnsupportedError("Unable", {"cpu": ["no"]}),
        errors.ParameterError("wrong"),
        errors.WorkerError("died"),
    ],
)
def test_errors_can_be_pickled(error: errors.GpucodecError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
