"""The seam on GPUs that are not there: what waits for what, whose memory is whose, and whose errors are told."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest
from gpucodec_kernels.prefix_sum import offset_chunks

import gpucodec
from gpucodec.backends import adopted, executor, executors
from gpucodec.codecs.base import DecodeRequest, EncodeRequest
from gpucodec.codecs.buffers import LoadedCodestreams, laid_out, load_codestreams
from gpucodec.codecs.dispatch import choose
from gpucodec.codecs.options import EncodeOptions
from gpucodec.errors import DeviceError, DeviceMemoryError
from gpucodec.frames import FrameBatch, FrameSpec
from tests.device import cupy_stand_in as cupy
from tests.device.machine import POISON
from tests.device.test_codecs import CASES, HTJ2K_LOSSY, samples
from tests.device.test_frames import Tensor

LENGTHS = np.array([3, 4, 5], np.int64)


def on_a_thread(work):
    """Return what some work returns on another thread."""
    made = []
    thread = threading.Thread(target=lambda: made.append(work()))
    thread.start()
    thread.join()
    return made[0]


def test_the_stand_in_shows_a_missing_wait(new_machine):
    new_machine(schedule="late")
    where = executor("cuda")

    def load():
        with where.active():
            return where.upload(LENGTHS), where.mark()

    with where.active():
        (there, mark), (unwaited, _) = on_a_thread(load), on_a_thread(load)
        assert where.download(unwaited).tolist() != [3, 4, 5]
        where.follow(mark)
        where.launch(offset_chunks, 1, there)
        assert where.download(there).tolist() == [0, 3, 7]


def test_the_stand_in_shows_memory_that_is_freed_too_early(new_machine):
    new_machine(schedule="others first")
    where = executor("cuda")

    def load():
        with where.active():
            there = where.upload(LENGTHS)
            return there, where.mark()

    found = []
    for held in (False, True):
        with where.active():
            there, mark = on_a_thread(load)
            where.follow(mark)
            copied = there + 0
            if held:
                where.hold(there)
            del there
            found.append(where.download(copied).tolist())
    assert found[0] != [3, 4, 5]
    assert found[0][0] & 0xFF == POISON
    assert found[1] == [3, 4, 5]


def test_what_is_held_is_given_back_when_it_is_done(new_machine):
    device = new_machine().devices[0]
    where = executor("cuda")
    with where.active():
        for _ in range(50):
            where.download(where.upload(np.zeros(1 << 16, np.uint8)))
    where.hold()
    gc.collect()
    assert device.acquired <= 4 << 16


def test_uploads_are_pinned_and_do_not_wait(machine):
    where = executor("cuda")
    host = np.arange(24, dtype=np.int32).reshape(4, 6)
    with where.active():
        there = where.upload(host.T)
        host[:] = -1  # the caller's own again
        assert there.flags.c_contiguous
        received = where.begin_download(there)
        second = where.begin_download(there[1:, :2])
        np.testing.assert_array_equal(received(), np.arange(24).reshape(4, 6).T)
        np.testing.assert_array_equal(second(), np.arange(24).reshape(4, 6).T[1:, :2])
        assert where.download(where.upload(np.empty(0, np.int32))).size == 0


def test_a_download_that_nobody_waits_for_harms_nobody(machine):
    where = executor("cuda")
    with where.active():
        there = where.upload(np.full(4096, 7, np.uint8))
        where.begin_download(there)
        assert (where.download(where.upload(np.full(4096, 9, np.uint8))) == 9).all()


def test_a_constant_is_there_for_every_stream(machine):
    where = executor("cuda")
    with where.active():
        table = where.constant(LENGTHS)
    assert on_a_thread(lambda: where.download(table).tolist()) == [3, 4, 5]


def test_each_thread_has_a_stream_of_its_own_and_they_are_used_again(late_machine):
    where = executor("cuda")

    def stream():
        with where.active(), where.active():
            return cupy.cuda.get_current_stream().ptr

    before = len(late_machine.devices[0].streams)
    with where.active():
        mine = cupy.cuda.get_current_stream().ptr
        other = on_a_thread(stream)
    assert len({0, mine, other}) == 3
    assert cupy.cuda.get_current_stream().ptr == 0
    assert {on_a_thread(stream) for _ in range(9)} <= {mine, other}
    assert len(late_machine.devices[0].streams) == before + 2


def test_each_gpu_has_an_executor(new_machine):
    machine = new_machine(3)
    machine.devices[1].fail_after(0)
    found = executors("cuda")
    assert [where.device for where in found] == [0, 2]
    last = found[-1]
    with last.active():
        assert executor("cuda") is last
        there = last.upload(LENGTHS)
        last.launch(offset_chunks, 1, there)
        assert last.download(there).tolist() == [0, 3, 7]
    assert executor("cuda").device == 0


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_failing_gpu_is_named(new_machine, steps):
    machine = new_machine()
    where = executor("cuda")
    machine.devices[0].fail_after(steps)

    def work():
        for _ in range(4):
            with where.active():
                where.download(where.upload(LENGTHS) + 1)

    with pytest.raises(DeviceError, match=r"GPU 0 failed: .*illegal memory access") as caught:
        work()
    assert not isinstance(caught.value, DeviceMemoryError)


def test_short_memory_is_an_error_of_its_own(new_machine):
    new_machine(memory=1 << 20)
    where = executor("cuda")
    assert where.free_memory() == 1 << 20
    with pytest.raises(DeviceMemoryError, match="GPU 0 has not the memory"):
        where.empty(2 << 20, np.uint8)
    with pytest.raises(DeviceMemoryError), where.active():
        cupy.empty(2 << 20, np.uint8)  # what others allocate meanwhile, too
    kept = where.empty(1 << 19, np.uint8)
    assert where.free_memory() == 1 << 19
    del kept
    assert where.free_memory() == 1 << 20
    cupy.get_default_memory_pool().set_limit(1 << 18)
    assert where.free_memory() == 1 << 18


def test_arrays_of_other_packages_are_adopted_not_copied(late_machine):
    there = cupy.asarray(LENGTHS)
    late_machine.copies["on device"].clear()
    found = adopted(Tensor(there))
    assert found.data.ptr == there.data.ptr
    assert late_machine.copies["on device"] == []


def test_loaded_codestreams_are_copied_once(late_machine):
    where = executor("cuda")
    loaded = load_codestreams(where, [b"abc", b"de", b"f"])
    late_machine.copies["to device"].clear()
    source, starts = laid_out(where, loaded[1:])
    assert isinstance(loaded[1:], LoadedCodestreams)
    assert late_machine.copies["to device"] == []
    assert (list(loaded), list(loaded[1:]), loaded[2]) == ([b"abc", b"de", b"f"], [b"de", b"f"], b"f")
    assert bytes(where.download(source[int(starts[0]) : int(starts[0]) + 2])) == b"de"
    assert load_codestreams(executor("cpu"), (codestreams := [b"x"])) is codestreams


@pytest.mark.parametrize(("uid", "shape", "dtype", "keywords"), CASES)
def test_a_batch_needs_no_more_memory_than_was_told(late_machine, uid, shape, dtype, keywords):
    frames = samples((12, *shape[1:]), dtype, keywords.get("bits_stored"))
    attributes = {name: value for name, value in keywords.items() if not name.startswith(("j2k", "jls"))}
    options = {name: value for name, value in keywords.items() if name.startswith(("j2k", "jls"))}
    spec = FrameSpec.from_array(frames, **attributes)
    request = EncodeRequest(uid, spec, len(frames), EncodeOptions.for_transfer_syntax(uid, **options))
    codec = choose(request, "cuda").codec
    device = late_machine.devices[0]
    gpucodec.encode_frames(frames[:1], uid, backend="cuda", **keywords)  # tables
    before = device.peak = device.used
    codestreams = codec.begin_encode(FrameBatch(frames, spec), request)()
    told = len(frames) * codec.device_bytes(request)
    assert device.peak - before <= told
    if uid != HTJ2K_LOSSY:  # whose frames are coded one after the other
        assert told / 12 < device.peak - before
    decoding = DecodeRequest(uid, spec, len(codestreams), codestreams=codestreams)
    codec.decode_batch(codestreams[:1], decoding)
    before = device.peak = device.used
    codec.begin_decode(codestreams, decoding)()
    told = len(frames) * codec.device_bytes(decoding)
    assert told / 12 < device.peak - before <= told
