"""Choosing a codec: the best one that can, reasons for those that cannot, no quiet detours."""

from collections.abc import Sequence

import pytest

from gpucodec.codecs import dispatch
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.dispatch import choose, consider
from gpucodec.codecs.formats import FORMATS, get_format
from gpucodec.codecs.registry import BACKENDS, codecs_for
from gpucodec.errors import BackendUnavailableError, ParameterError, UnsupportedError
from gpucodec.frames import FrameBatch, FrameSpec

RLE = "1.2.840.10008.1.2.5"
SPEC = FrameSpec(8, 8)
REQUEST = EncodeRequest(RLE, SPEC, 1)


class Willing(Codec):
    """A codec that can do what it is told it can."""

    def __init__(self, backend: str, *reasons: str) -> None:
        self.name, self.backend, self.reasons = f"test {backend}", backend, list(reasons)

    def why_not_encode(self, request: EncodeRequest) -> list[str]:
        return self.reasons

    def why_not_decode(self, request: DecodeRequest) -> list[str]:
        return self.reasons

    def encode_batch(self, batch: FrameBatch, request: EncodeRequest) -> list[bytes]:
        raise RuntimeError("not asked here")

    def decode_batch(self, codestreams: Sequence[bytes], request: DecodeRequest) -> FrameBatch:
        raise RuntimeError("not asked here")


@pytest.fixture
def codecs(monkeypatch: pytest.MonkeyPatch):
    def put(*these: Codec) -> None:
        monkeypatch.setattr(dispatch, "codecs_for", lambda uid: these)

    return put


def test_the_first_that_can_is_chosen_and_the_reasons_of_the_others_kept(codecs) -> None:
    codecs(Willing("cuda", "no GPU", "no driver"), Willing("cpu"), Willing("library"))
    choice = choose(REQUEST)
    assert choice.codec.backend == "cpu"
    assert choice.rejected == {"cuda (test cuda)": ["no GPU", "no driver"]}


class Slow(Willing):
    """A codec that can, but says that others do better."""

    def why_slow(self, request: EncodeRequest | DecodeRequest) -> list[str]:
        return ["too few frames"]


def test_auto_passes_a_slow_codec_over_where_another_can(codecs) -> None:
    codecs(Slow("cuda"), Willing("cpu"))
    assert choose(REQUEST).codec.backend == "cpu"
    assert choose(REQUEST).rejected == {"cuda (test cuda)": ["too few frames"]}
    assert choose(REQUEST, "cuda").codec.backend == "cuda"


def test_a_slow_codec_is_better_than_none(codecs) -> None:
    codecs(Willing("nvjpeg2k", "no GPU"), Slow("cuda"), Slow("cpu"), Willing("library", "not installed"))
    choice = choose(REQUEST)
    assert choice.codec.backend == "cuda"
    assert choice.rejected == {"nvjpeg2k (test nvjpeg2k)": ["no GPU"]}


def test_a_backend_asked_for_by_name_is_not_replaced(codecs) -> None:
    codecs(Willing("cpu", "too many bits"), Willing("library"))
    assert choose(REQUEST, "library").codec.backend == "library"
    with pytest.raises(UnsupportedError, match="too many bits") as caught:
        choose(REQUEST, "cpu")
    assert caught.value.reasons == {"cpu (test cpu)": ["too many bits"]}


def test_auto_never_takes_the_simulator(codecs) -> None:
    codecs(Willing("simulator"))
    with pytest.raises(UnsupportedError):
        choose(REQUEST)
    assert choose(REQUEST, "simulator").codec.backend == "simulator"


def test_all_reasons_are_told_when_nobody_can(codecs) -> None:
    codecs(Willing("cuda", "no GPU"), Willing("library", "not installed"))
    with pytest.raises(UnsupportedError, match="Unable to encode 'RLE Lossless'") as caught:
        choose(REQUEST)
    assert set(caught.value.reasons) == {"cuda (test cuda)", "library (test library)"}


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ParameterError, match="No backend named 'gpu'"):
        choose(REQUEST, "gpu")
    with pytest.raises(UnsupportedError, match=r"1\.2\.3"):
        get_format("1.2.3")


def test_a_backend_that_cannot_be_used_here_says_what_to_install() -> None:
    from gpucodec.backends import why_unavailable

    if not why_unavailable("cuda"):
        pytest.skip("this machine has a GPU")
    with pytest.raises(BackendUnavailableError, match="'cuda' cannot be used here"):
        choose(REQUEST, "cuda")


@pytest.mark.parametrize("uid", sorted(FORMATS))
def test_every_transfer_syntax_can_be_decoded_by_something_here(uid: str) -> None:
    assert choose(DecodeRequest(uid, FrameSpec(64, 64), 1)).codec.backend in BACKENDS
    order = [BACKENDS.index(codec.backend) for codec in codecs_for(uid)]
    assert order == sorted(order)
    assert [codec for codec, _ in consider(DecodeRequest(uid, SPEC, 1))] == list(codecs_for(uid))
