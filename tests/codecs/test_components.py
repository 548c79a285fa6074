"""Choosing what decodes one codestream's components."""

import logging

import numpy as np
import pytest

import gpucodec
from gpucodec.codecs import components, dispatch
from gpucodec.errors import BackendUnavailableError, KernelCompilationError, UnsupportedError

JPEG_2000 = "1.2.840.10008.1.2.4.90"


class Pretended:
    """A codec under a device's name, which says what decoded."""

    decodes_components = True

    def __init__(self, backend: str, error: Exception | None = None) -> None:
        self.name, self.backend, self.error = "test", backend, error

    def decode_components(self, codestream, options):
        if self.error:
            raise self.error
        return [self.backend]


@pytest.fixture(scope="module")
def codestream() -> bytes:
    (found,) = gpucodec.encode_frames(np.zeros((1, 32, 32), "u1"), JPEG_2000, backend="cpu")
    return found


@pytest.fixture
def codecs(monkeypatch: pytest.MonkeyPatch):
    def put(*these: Pretended, smallest: int = 0) -> None:
        monkeypatch.setattr(components, "codecs_for", lambda uid: these)
        small = lambda backend, family, encoding, size: "small" if backend == "cuda" and size < smallest else ""  # noqa: E731
        monkeypatch.setattr(components, "why_small", small)

    monkeypatch.setattr(components, "why_unavailable", lambda backend: "no wheel" if backend == "nvjpeg2k" else "")
    monkeypatch.setattr(dispatch, "_refused", {})
    return put


def test_a_small_codestream_stays_on_the_cpu_where_that_can(codecs, codestream: bytes) -> None:
    codecs(Pretended("cuda"), Pretended("cpu"), smallest=1000)
    assert gpucodec.decode_components(codestream) == ["cuda"]
    assert gpucodec.decode_components(codestream, reduce=1) == ["cpu"]
    assert gpucodec.decode_components(codestream, reduce=1, backend="cuda") == ["cuda"]
    codecs(Pretended("cuda"), smallest=1000)
    assert gpucodec.decode_components(codestream, reduce=1) == ["cuda"]


def test_a_kernel_that_does_not_compile_is_no_end(codecs, codestream: bytes, caplog) -> None:
    error = KernelCompilationError("no such instruction")
    codecs(Pretended("cuda", error), Pretended("cpu"))
    with caplog.at_level(logging.WARNING, "gpucodec"):
        assert [gpucodec.decode_components(codestream) for _ in range(2)] == [["cpu"], ["cpu"]]
    assert len(caplog.records) == 1
    for _ in range(2):
        with pytest.raises(BackendUnavailableError, match="'cuda' cannot be used here: no such instruction"):
            gpucodec.decode_components(codestream, backend="cuda")


def test_all_reasons_are_told_when_nobody_can(codecs, codestream: bytes) -> None:
    codecs(Pretended("nvjpeg2k"), Pretended("cuda", KernelCompilationError("no such instruction")))
    with pytest.raises(UnsupportedError) as caught:
        gpucodec.decode_components(codestream)
    assert caught.value.reasons == {"nvjpeg2k (test)": ["no wheel"], "cuda (test)": ["no such instruction"]}
