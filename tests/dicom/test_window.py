"""FrameWindow: whoever walks through an image gets batches, whoever jumps about gets what was asked for."""

import pytest

from gpucodec.dicom.window import FrameWindow, window_frames
from gpucodec.errors import CodestreamError


class Image:
    """Frames that are coded by reversing them; notes every batch."""

    def __init__(self, num_frames, batch_frames=4, broken=(), told=None):
        self.frames = [bytes([index, index + 1]) for index in range(num_frames)]
        self.broken = broken
        self.batches = []
        told = num_frames if told is None else told
        self.window = FrameWindow(told, batch_frames, self.take, self.code)

    def take(self, first, count):
        return self.frames[first : first + count]

    def code(self, sources, first):
        self.batches.append((first, len(sources)))
        for offset, source in enumerate(sources):
            if self.frames.index(source) in self.broken:
                raise CodestreamError("broken", frame=first + offset)
        return [source[::-1] for source in sources]

    def ask(self, *indices):
        for index in indices:
            assert self.window.serve(self.frames[index]) == self.frames[index][::-1]


def test_walking_through_an_image_is_batched_from_the_second_frame_on():
    image = Image(11)
    image.ask(*range(11))
    assert image.batches == [(0, 1), (1, 4), (5, 4), (9, 2)]


def test_one_frame_costs_one_frame():
    image = Image(11)
    image.ask(7)
    assert image.batches == [(0, 1)]


@pytest.mark.parametrize("num_frames", [1, 2])
def test_two_frames_are_no_window(num_frames):
    image = Image(num_frames)
    image.ask(*range(num_frames))
    assert image.batches == [(index, 1) for index in range(num_frames)]


@pytest.mark.parametrize("indices", [(3, 7, 4, 5), (0, 2, 3, 4), (5, 1, 2, 3), (1, 0, 1, 2)])
def test_jumping_about_is_coded_frame_by_frame(indices):
    image = Image(11)
    image.ask(*indices)
    assert image.batches == [(turn, 1) for turn in range(4)]


def test_a_caller_that_leaves_the_path_gets_the_right_frames_alone():
    image = Image(11)
    image.ask(0, 1, 2, 9, 3, 4)
    assert image.batches == [(0, 1), (1, 4), (3, 1), (4, 1), (5, 1)]


def test_a_caller_that_stops_early_costs_no_more_than_the_window():
    image = Image(100)
    image.ask(0, 1, 2)
    assert image.batches == [(0, 1), (1, 4)]


def test_frames_beyond_the_number_that_was_told_are_coded_alone():
    image = Image(7, told=5)
    image.ask(*range(7))
    assert image.batches == [(0, 1), (1, 4), (5, 1), (6, 1)]


def test_an_image_that_ends_early_serves_what_it_has():
    image = Image(4, told=9)
    image.ask(*range(4))
    assert image.batches == [(0, 1), (1, 3)]


def test_an_error_is_raised_at_its_own_frame_and_the_others_are_served():
    image = Image(11, broken=[3])
    image.ask(0, 1, 2)
    with pytest.raises(CodestreamError) as caught:
        image.window.serve(image.frames[3])
    assert caught.value.frame == 3
    image.ask(4, 5, 6, 7)
    assert image.batches[-1] == (5, 4)


@pytest.mark.parametrize("broken", [0, 1, 2, 3, 10])
def test_a_frame_that_is_tried_again_is_still_the_same_frame(broken):
    image = Image(11, broken=[broken])
    image.ask(*range(broken))
    for _ in range(2):
        with pytest.raises(CodestreamError) as caught:
            image.window.serve(image.frames[broken])
        assert caught.value.frame == broken
    image.ask(*range(broken + 1, 11))
    assert image.batches[-1][1] > 1 or broken in (0, 10)


def test_results_do_not_pile_up():
    image = Image(11)
    image.ask(0, 1, 2)
    assert sorted(image.window._results) == [3, 4]
    image.ask(3, 4)
    assert image.window._results == {}
    assert image.window._sources == {}


@pytest.mark.parametrize(
    ("frame_bytes", "expected"), [(0, 64 << 20), (1 << 20, 64), (300 << 20, 1), (1 << 40, 1), (256 << 20, 1)]
)
def test_a_window_is_about_64_mib_and_never_empty(frame_bytes, expected, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert window_frames(frame_bytes) == expected


def test_a_window_has_a_frame_a_core_while_they_fit(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert window_frames(16 << 20) == 8
    assert window_frames(64 << 20) == 4
