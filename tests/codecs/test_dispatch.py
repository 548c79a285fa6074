"""Choosing a codec: the best one that can, reasons for those that cannot, no quiet detours."""

import logging
from collections.abc import Sequence

import pytest

from gpucodec import backends
from gpucodec.codecs import dispatch
from gpucodec.codecs.base import Codec, DecodeRequest, EncodeRequest
from gpucodec.codecs.dispatch import carry_out, choose, consider
from gpucodec.codecs.formats import FORMATS, get_format
from gpucodec.codecs.options import DecodeOptions
from gpucodec.codecs.registry import BACKENDS, codecs_for
from gpucodec.diagnosis import Diagnosis, Fault
from gpucodec.errors import BackendUnavailableError, KernelCompilationError, ParameterError, UnsupportedError
from gpucodec.frames import FrameBatch, FrameSpec
from gpucodec.routing import Threshold

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


def default(num_bytes: int | None, is_measured: bool = False) -> Threshold:
    return Threshold(num_bytes, "default for compute capability 8.0", is_measured)


@pytest.fixture
def thresholds(monkeypatch: pytest.MonkeyPatch):
    def put(found: Threshold | None) -> None:
        of_gpu = lambda backend, family, encoding: found if backend in ("cuda", "nvjpeg2k") else None  # noqa: E731
        monkeypatch.setattr(dispatch, "threshold", of_gpu)

    return put


def test_auto_leaves_small_batches_to_the_cpu(codecs, thresholds) -> None:
    codecs(Willing("cuda"), Willing("nvjpeg2k"), Willing("cpu"))
    thresholds(default(6400))
    choice = choose(EncodeRequest(RLE, SPEC, 10))
    assert choice.codec.backend == "cpu"
    small = "a batch of 640 bytes: below 6.4 KB the CPU is faster (default for compute capability 8.0)"
    assert choice.rejected == {"cuda (test cuda)": [small], "nvjpeg2k (test nvjpeg2k)": [small]}
    assert choose(EncodeRequest(RLE, SPEC, 100)).codec.backend == "cuda"
    assert choose(EncodeRequest(RLE, SPEC, 1), "cuda").codec.backend == "cuda"


def test_what_is_on_a_gpu_stays_there_whatever_its_size(codecs, thresholds) -> None:
    codecs(Slow("cuda"), Willing("cpu"))
    thresholds(default(None))
    assert choose(EncodeRequest(RLE, SPEC, 1, on_device=True)).codec.backend == "cuda"
    assert choose(DecodeRequest(RLE, SPEC, 1, on_device=True)).codec.backend == "cuda"


def test_only_what_is_asked_for_counts(codecs, thresholds) -> None:
    codecs(Willing("cuda"), Willing("cpu"))
    thresholds(default(64))
    assert choose(DecodeRequest(RLE, SPEC, 1)).codec.backend == "cuda"
    for options in (DecodeOptions(reduce=1), DecodeOptions(region=(0, 0, 4, 4))):
        assert choose(DecodeRequest(RLE, SPEC, 1, options)).codec.backend == "cpu"
        assert choose(DecodeRequest(RLE, SPEC, 4, options)).codec.backend == "cuda"


def test_what_was_measured_goes_before_what_the_codec_guesses(codecs, thresholds) -> None:
    codecs(Slow("cuda"), Willing("cpu"))
    thresholds(default(0))
    assert choose(REQUEST).codec.backend == "cpu"
    thresholds(default(0, is_measured=True))
    assert choose(REQUEST).codec.backend == "cuda"


def test_a_small_batch_goes_to_the_gpu_where_nothing_else_can(codecs, thresholds) -> None:
    codecs(Willing("cuda"), Willing("cpu", "too many bits"))
    thresholds(default(None))
    assert choose(REQUEST).codec.backend == "cuda"


def failing_on_gpu(choice):
    if choice.codec.backend in ("cuda", "nvjpeg2k"):
        raise KernelCompilationError(f"{choice.codec.backend} has no such instruction")
    return choice


@pytest.fixture
def _none_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dispatch, "_refused", {})


@pytest.mark.usefixtures("_none_refused")
def test_auto_goes_on_when_a_kernel_does_not_compile_and_says_so_once(codecs, caplog) -> None:
    codecs(Willing("cuda"), Willing("nvjpeg2k"), Willing("cpu"))
    with caplog.at_level(logging.WARNING, "gpucodec"):
        choices = [carry_out(REQUEST, "auto", failing_on_gpu) for _ in range(2)]
    assert [choice.codec.backend for choice in choices] == ["cpu", "cpu"]
    assert choices[1].rejected["cuda (test cuda)"] == ["cuda has no such instruction"]
    assert [record.message for record in caplog.records] == [
        "cuda (test cuda) is not used from now on: cuda has no such instruction",
        "nvjpeg2k (test nvjpeg2k) is not used from now on: nvjpeg2k has no such instruction",
    ]
    assert choose(DecodeRequest(RLE, SPEC, 1)).codec.backend == "cuda"  # the other direction has other kernels


@pytest.mark.usefixtures("_none_refused")
def test_a_backend_asked_for_by_name_is_unavailable_when_a_kernel_does_not_compile(codecs) -> None:
    codecs(Willing("nvjpeg2k"), Willing("cpu"))
    for _ in range(2):
        with pytest.raises(BackendUnavailableError, match="'nvjpeg2k' cannot be used here: nvjpeg2k has no such"):
            carry_out(REQUEST, "nvjpeg2k", failing_on_gpu)


def test_other_failures_are_errors_and_no_reason_to_try_another(codecs) -> None:
    codecs(Willing("cuda"), Willing("cpu"))

    def fail(choice):
        raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        carry_out(REQUEST, "auto", fail)


@pytest.mark.parametrize(("expected", "level"), [(True, logging.WARNING), (False, logging.INFO)])
def test_auto_says_once_why_no_gpu_is_used(codecs, monkeypatch, caplog, expected: bool, level: int) -> None:
    found = Diagnosis((Fault("no driver", "no NVIDIA driver was found", "install it"),), (), (), expected)
    monkeypatch.setattr(backends, "diagnosis", lambda: found)
    monkeypatch.setattr(dispatch, "_has_told_of_gpu", False)
    codecs(Willing("cuda", "no GPU"), Willing("cpu"))
    with caplog.at_level(logging.INFO, "gpucodec"):
        choose(REQUEST, "cpu")
        assert caplog.records == []
        choose(REQUEST)
        choose(REQUEST)
    (record,) = caplog.records
    assert record.levelno == level
    assert record.message == "No GPU can be used, the CPU does the work: no NVIDIA driver was found; install it"
