"""The pydicom plugin: registering, batching behind pydicom's back, and what it tells pydicom about frames."""

import gc
import io
import threading
import weakref

import numpy as np
import pytest
from pydicom import examples
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.pixels import get_decoder, get_encoder
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.pixels.encoders.base import ENCODING_PROFILES, EncodeRunner
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

import gpucodec
from gpucodec.codecs.formats import FORMATS
from gpucodec.dicom import plugin, plugin_runner
from gpucodec.frames import FrameSpec
from tests.dicom.plain_codec import BROKEN, PlainCodec, use_codecs

LABEL = "gpucodec"
OF_PYDICOM = {RLELossless, JPEGLSLossless, JPEGLSNearLossless, JPEG2000Lossless, JPEG2000}
HIGH_THROUGHPUT = {HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K}
ENCODED = OF_PYDICOM | HIGH_THROUGHPUT


@pytest.fixture(autouse=True)
def _registered():
    gpucodec.register()
    yield
    gpucodec.unregister()


@pytest.fixture
def codec(monkeypatch):
    plain = PlainCodec()
    use_codecs(monkeypatch, plain)
    monkeypatch.setattr("gpucodec.dicom.plugin_encode.window_frames", lambda _bytes: 4)
    monkeypatch.setattr("gpucodec.dicom.plugin_decode.window_frames", lambda _bytes: 4)
    return plain


def image(num_frames, rows=8, columns=6, samples=1, dtype="u1"):
    shape = (num_frames, rows, columns, samples)[: 3 + (samples > 1)]
    return np.random.default_rng(num_frames).integers(0, 200, shape).astype(dtype)


def options_of(frames, **changes):
    spec = FrameSpec.from_array(frames)
    return {
        "rows": spec.rows,
        "columns": spec.columns,
        "number_of_frames": len(frames),
        "samples_per_pixel": spec.samples_per_pixel,
        "bits_allocated": spec.bits_allocated,
        "bits_stored": spec.bits_stored,
        "pixel_representation": spec.pixel_representation,
        "photometric_interpretation": spec.photometric_interpretation,
        "planar_configuration": 0,
    } | changes


class TestRegistering:
    def test_every_transfer_syntax_can_be_decoded(self):
        for uid in FORMATS:
            assert LABEL in get_decoder(uid).available_plugins
            assert plugin.is_available(uid)

    def test_encoders_are_there_where_a_codec_is(self):
        for uid in ENCODED:
            assert LABEL in get_encoder(uid).available_plugins

    def test_registering_and_unregistering_twice_changes_nothing(self):
        before = get_encoder(RLELossless).available_plugins
        gpucodec.register()
        assert get_encoder(RLELossless).available_plugins == before
        for _ in range(2):
            gpucodec.unregister()
            for uid in FORMATS:
                assert LABEL not in get_decoder(uid).available_plugins
            for uid in OF_PYDICOM:
                assert LABEL not in get_encoder(uid).available_plugins
        gpucodec.register()
        assert get_encoder(RLELossless).available_plugins == before

    def test_what_no_codec_serves_is_not_registered(self, monkeypatch):
        gpucodec.unregister()
        use_codecs(monkeypatch, PlainCodec(reasons=["it is not installed"]))
        gpucodec.register()
        assert LABEL not in get_decoder(RLELossless).available_plugins
        assert not plugin.is_available(RLELossless)

    def test_the_simulator_is_no_reason_to_register(self, monkeypatch):
        use_codecs(monkeypatch, PlainCodec(backend="simulator"))
        assert not plugin.is_available(RLELossless)

    @pytest.mark.parametrize("uid", ["1.2.3", ExplicitVRLittleEndian, "1.2.840.10008.1.2.4.100"])
    def test_other_transfer_syntaxes_are_not_available(self, uid):
        assert not plugin.is_available(uid)

    def test_dependencies_are_named_for_all_that_may_be_registered(self):
        assert set(plugin.DECODER_DEPENDENCIES) == set(FORMATS)
        assert set(plugin.ENCODER_DEPENDENCIES) == ENCODED
        assert all(plugin.DECODER_DEPENDENCIES.values())


class TestEncodersOfHtj2k:
    """pydicom has none, so `Dataset.compress` refuses HTJ2K before it looks for plugins."""

    def test_they_are_there_from_registering_to_unregistering(self):
        for uid in HIGH_THROUGHPUT:
            assert get_encoder(uid).available_plugins == (LABEL,)
            assert uid in ENCODING_PROFILES
        gpucodec.unregister()
        for uid in HIGH_THROUGHPUT:
            assert uid not in ENCODING_PROFILES
            with pytest.raises(NotImplementedError):
                get_encoder(uid)

    @pytest.mark.parametrize("uid", [HTJ2KLossless, HTJ2KLosslessRPCL])
    def test_compress_works_and_another_plugin_decodes(self, uid):
        ds = examples.ct
        expected = ds.pixel_array.copy()
        ds.compress(uid, encoding_plugin=LABEL)
        assert ds.file_meta.TransferSyntaxUID == uid
        assert len(ds.PixelData) < expected.nbytes
        ds.decompress(decoding_plugin="pylibjpeg")
        assert np.array_equal(ds.pixel_array, expected)

    def test_losses_are_asked_for_by_the_names_that_pydicom_hands_on(self):
        ds = examples.ct
        expected = ds.pixel_array.copy()
        ds.compress(HTJ2K, encoding_plugin=LABEL, compression_ratios=[8])
        assert len(ds.PixelData) <= expected.nbytes / 8 + 64
        ds.decompress(decoding_plugin="pylibjpeg")
        assert 0 < np.abs(ds.pixel_array.astype(int) - expected).max() < 200

    def test_frames_outside_the_profile_are_refused_as_pydicom_refuses_them(self):
        frames = image(1)
        options = options_of(frames, photometric_interpretation="YBR_ICT")
        stream = get_encoder(HTJ2KLossless).iter_encode(frames[0], encoding_plugin=LABEL, **options)
        with pytest.raises(ValueError, match="not valid for pixel data encoded with 'High-Throughput JPEG 2000"):
            next(stream)

    def test_an_encoder_with_somebody_elses_plugin_stays(self):
        encoder = get_encoder(HTJ2KLossless)
        encoder.add_plugin("theirs", ("pydicom.pixels.encoders.native", "_encode_frame"))
        try:
            gpucodec.unregister()
            assert get_encoder(HTJ2KLossless).available_plugins == ("theirs",)
        finally:
            encoder.remove_plugin("theirs")
            gpucodec.register()
            gpucodec.unregister()
        with pytest.raises(NotImplementedError):
            get_encoder(HTJ2KLossless)


class TestEncodingAhead:
    def test_iterating_is_batched(self, codec):
        frames = image(11)
        encoded = list(get_encoder(RLELossless).iter_encode(frames, encoding_plugin=LABEL, **options_of(frames)))
        assert encoded == [frame.tobytes() for frame in frames]
        assert codec.encoded_sizes == [1, 4, 4, 2]

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_buffers_are_batched_too(self, codec, kind):
        frames = image(11)
        source = kind(frames.tobytes())
        encoded = list(get_encoder(RLELossless).iter_encode(source, encoding_plugin=LABEL, **options_of(frames)))
        assert encoded == [frame.tobytes() for frame in frames]
        assert codec.encoded_sizes == [1, 4, 4, 2]

    def test_one_index_is_one_frame(self, codec):
        frames = image(11)
        encoder = get_encoder(RLELossless)
        for index in (5, 6, 7):
            encoded = encoder.encode(frames, index=index, encoding_plugin=LABEL, **options_of(frames))
            assert encoded == frames[index].tobytes()
        assert codec.encoded_sizes == [1, 1, 1]

    def test_a_narrower_container_is_looked_at_ahead_as_pydicom_narrows_it(self, codec):
        frames = image(7, dtype="u4")
        options = options_of(frames, bits_allocated=32, bits_stored=8)
        encoded = list(get_encoder(JPEG2000Lossless).iter_encode(frames, encoding_plugin=LABEL, **options))
        assert encoded == [frame.astype("u1").tobytes() for frame in frames]
        assert codec.encoded_sizes == [1, 4, 2]

    def test_a_window_goes_with_its_runner(self, codec):
        frames = image(11)
        stream = get_encoder(RLELossless).iter_encode(frames, encoding_plugin=LABEL, **options_of(frames))
        next(stream), next(stream)
        assert len(plugin_runner._windows) == 1
        del stream
        gc.collect()
        assert len(plugin_runner._windows) == 0

    def test_a_window_does_not_keep_the_runner(self, codec):
        runner = EncodeRunner(RLELossless)
        frames = image(5)
        runner.set_source(frames)
        runner.set_options(**options_of(frames))
        plugin.encode_frame(runner.get_frame(0), runner)
        reference = weakref.ref(runner)
        del runner
        gc.collect()
        assert reference() is None

    def test_images_do_not_mix_across_threads(self, codec):
        images = [image(9 + turn) for turn in range(4)]
        results = [None] * 4

        def work(turn):
            frames = images[turn]
            encoder = get_encoder(RLELossless)
            results[turn] = list(encoder.iter_encode(frames, encoding_plugin=LABEL, **options_of(frames)))

        threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for frames, encoded in zip(images, results, strict=True):
            assert encoded == [frame.tobytes() for frame in frames]

    @pytest.mark.parametrize("as_array", [True, False])
    def test_a_source_that_ends_early_gives_the_frames_that_it_has(self, codec, as_array):
        frames = image(6)
        source = frames if as_array else frames.tobytes()
        options = options_of(frames, number_of_frames=9)
        stream = get_encoder(RLELossless).iter_encode(source, encoding_plugin=LABEL, validate=False, **options)
        for frame in frames:
            assert next(stream) == frame.tobytes()
        with pytest.raises(RuntimeError):
            next(stream)
        assert codec.encoded_sizes == [1, 4, 1]


class TestWhatTheEncoderIsTold:
    def request(self, codec, uid, frames, **changes):
        get_encoder(uid).encode(frames[0], encoding_plugin=LABEL, **options_of(frames[:1], **changes))
        return codec.encoded[-1]

    def test_rle_codes_whole_containers_though_pydicom_narrows(self, codec):
        frames = image(1, dtype="i2") - 100
        batch, _ = self.request(codec, RLELossless, frames, bits_stored=8)
        assert batch.spec.bits_allocated == 16
        np.testing.assert_array_equal(batch.frames, frames)

    def test_the_others_code_stored_bits(self, codec):
        frames = image(1, dtype="u4")
        batch, _ = self.request(codec, JPEG2000Lossless, frames, bits_allocated=32, bits_stored=12)
        assert (batch.spec.bits_allocated, batch.spec.bits_stored) == (16, 12)

    def test_planes_of_jpeg_ls_come_back_as_pixels(self, codec):
        frames = image(1, samples=3)
        batch, _ = self.request(codec, JPEGLSLossless, frames, planar_configuration=1)
        assert batch.spec.planar_configuration == 1
        np.testing.assert_array_equal(batch.frames, frames)

    @pytest.mark.parametrize("uid", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
    def test_planes_in_a_buffer_come_back_as_pixels(self, codec, uid):
        frames = image(2, samples=3)
        source = np.ascontiguousarray(frames.transpose(0, 3, 1, 2)).tobytes()
        options = options_of(frames, planar_configuration=1)
        list(get_encoder(uid).iter_encode(source, encoding_plugin=LABEL, **options))
        np.testing.assert_array_equal(np.concatenate([batch.frames for batch, _ in codec.encoded]), frames)

    def test_big_endian_bytes_are_read_as_such(self, codec):
        frames = image(1, dtype="u2") + 300
        source = frames.astype(">u2").tobytes()
        get_encoder(JPEG2000Lossless).encode(source, encoding_plugin=LABEL, **options_of(frames, byteorder=">"))
        np.testing.assert_array_equal(codec.encoded[-1][0].frames, frames)

    @pytest.mark.parametrize(
        ("colour", "options", "expected"),
        [
            ("YBR_RCT", {}, "YBR_RCT"),
            ("YBR_RCT", {"use_mct": False}, "RGB"),
            ("RGB", {"use_mct": True}, "RGB"),
            ("YBR_FULL", {}, "YBR_FULL"),
        ],
    )
    def test_the_component_transform_is_asked_for_as_pydicom_does(self, codec, colour, options, expected):
        frames = image(1, samples=3)
        batch, _ = self.request(codec, JPEG2000Lossless, frames, photometric_interpretation=colour, **options)
        assert batch.spec.photometric_interpretation == expected

    @pytest.mark.parametrize(
        "options",
        [{"j2k_cr": [20, 5]}, {"compression_ratios": [20, 5]}, {"j2k_cr": [9], "compression_ratios": [20, 5]}],
    )
    def test_options_go_under_either_name(self, codec, options):
        _, request = self.request(codec, JPEG2000, image(1), **options)
        assert request.options.j2k_cr == (20.0, 5.0)
        _, request = self.request(codec, JPEG2000, image(1), signal_noise_ratios=[40])
        assert request.options.j2k_psnr == (40.0,)

    def test_options_of_other_transfer_syntaxes_and_plugins_are_ignored(self, codec):
        _, request = self.request(codec, RLELossless, image(1), jls_error=3, j2k_cr=[2], quality="best")
        assert not request.options.is_lossy
        _, request = self.request(codec, JPEGLSNearLossless, image(1), jls_error=3, j2k_cr=[2])
        assert request.options.jls_error == 3

    @pytest.mark.parametrize(
        ("uid", "options", "message"),
        [
            (JPEGLSLossless, {"jls_error": 3}, "did you mean to use 'JPEG-LS Near Lossless' instead"),
            (JPEG2000Lossless, {"j2k_psnr": [40]}, "did you mean to use 'JPEG 2000' instead"),
            (JPEG2000, {}, "requires a lossy configuration option"),
            (JPEG2000, {"j2k_cr": [2], "j2k_psnr": [40]}, "please specify only one"),
        ],
    )
    def test_options_that_contradict_the_transfer_syntax_are_refused_in_pydicoms_words(
        self, codec, uid, options, message
    ):
        frames = image(1)
        with pytest.raises(RuntimeError, match=message):
            get_encoder(uid).encode(frames[0], encoding_plugin=LABEL, **options_of(frames, **options))
        assert codec.encoded == []

    def test_values_above_bits_stored_are_not_lost_silently(self, codec):
        frames = image(1, dtype="u2") + 4000
        source = frames.tobytes()
        with pytest.raises(RuntimeError, match=r"outside the allowable range of \(0, 4095\)"):
            get_encoder(JPEG2000Lossless).encode(source, encoding_plugin=LABEL, **options_of(frames, bits_stored=12))
        get_encoder(RLELossless).encode(source, encoding_plugin=LABEL, **options_of(frames, bits_stored=12))
        np.testing.assert_array_equal(codec.encoded[-1][0].frames, frames)

    def test_signed_near_lossless_values_in_a_buffer_stay_away_from_the_edge(self, codec):
        frames = np.full((1, 8, 6), 126, "i1")
        options = options_of(frames, jls_error=3)
        with pytest.raises(RuntimeError, match=r"is \(-125, 124\)"):
            get_encoder(JPEGLSNearLossless).encode(frames.tobytes(), encoding_plugin=LABEL, **options)

    def test_a_source_that_does_not_fit_is_refused(self, codec):
        frames = image(1)
        with pytest.raises(RuntimeError, match="A frame of 48 bytes doesn't match 9 rows"):
            get_encoder(RLELossless).encode(
                frames[0], encoding_plugin=LABEL, validate=False, **options_of(frames, rows=9)
            )


class TestDecodingAhead:
    def pixel_data(self, frames, has_bot=True):
        return encapsulate([frame.tobytes() for frame in frames], has_bot=has_bot)

    @pytest.mark.parametrize("has_bot", [True, False])
    def test_iterating_is_batched(self, codec, has_bot):
        frames = image(11)
        decoder = get_decoder(RLELossless)
        source = self.pixel_data(frames, has_bot)
        decoded = [array for array, _ in decoder.iter_array(source, decoding_plugin=LABEL, **options_of(frames))]
        np.testing.assert_array_equal(decoded, frames)
        assert codec.decoded_sizes == [1, 4, 4, 2]

    def test_an_array_of_all_frames_is_batched(self, codec):
        frames = image(11, samples=3)
        source = self.pixel_data(frames)
        array, _ = get_decoder(RLELossless).as_array(source, decoding_plugin=LABEL, **options_of(frames))
        np.testing.assert_array_equal(array, frames)
        assert codec.decoded_sizes == [1, 4, 4, 2]

    def test_an_extended_offset_table_is_used(self, codec):
        frames = image(11)
        source, offsets, lengths = encapsulate_extended([frame.tobytes() for frame in frames])
        options = options_of(frames, extended_offsets=(offsets, lengths))
        array, _ = get_decoder(RLELossless).as_array(source, decoding_plugin=LABEL, **options)
        np.testing.assert_array_equal(array, frames)
        assert codec.decoded_sizes == [1, 4, 4, 2]

    def test_fragments_are_joined(self, codec):
        frames = image(5)
        source = encapsulate([frame.tobytes() for frame in frames], fragments_per_frame=3)
        array, _ = get_decoder(RLELossless).as_array(source, decoding_plugin=LABEL, **options_of(frames))
        np.testing.assert_array_equal(array, frames)
        assert codec.decoded_sizes == [1, 4]

    @pytest.mark.parametrize("indices", [[3, 7, 4, 5], [0, 2, 3, 4], [2, 1, 2, 1], [9]])
    def test_picked_frames_are_decoded_one_by_one(self, codec, indices):
        frames = image(11)
        decoder = get_decoder(RLELossless)
        source = self.pixel_data(frames)
        stream = decoder.iter_array(source, indices=indices, decoding_plugin=LABEL, **options_of(frames))
        np.testing.assert_array_equal([array for array, _ in stream], frames[indices])
        assert codec.decoded_sizes == [1] * len(indices)

    def test_a_file_is_read_by_pydicom_alone(self, codec):
        frames = image(6)
        file = io.BytesIO(b"before" + self.pixel_data(frames) + b"\xfe\xff\xdd\xe0\0\0\0\0after")
        file.seek(6)
        array, _ = get_decoder(RLELossless).as_array(file, decoding_plugin=LABEL, **options_of(frames))
        np.testing.assert_array_equal(array, frames)
        assert file.tell() == 6
        assert codec.decoded_sizes == [1] * 6

    def test_a_broken_frame_is_named_and_those_before_it_are_served(self, codec):
        frames = image(9)
        codestreams = [frame.tobytes() for frame in frames]
        codestreams[6] = BROKEN + codestreams[6]
        stream = get_decoder(RLELossless).iter_array(
            encapsulate(codestreams), decoding_plugin=LABEL, **options_of(frames)
        )
        for frame in frames[:6]:
            np.testing.assert_array_equal(next(stream)[0], frame)
        with pytest.raises(RuntimeError, match=r"it says so itself \(frame 6\)"):
            next(stream)


class TestWhatTheDecoderTells:
    def decode(self, uid, frames, **changes):
        source = encapsulate([frame.tobytes() for frame in frames])
        return get_decoder(uid).as_array(source, decoding_plugin=LABEL, **options_of(frames, **changes))

    def test_the_container_is_the_codestreams(self, monkeypatch):
        use_codecs(monkeypatch, PlainCodec(found={"bits_allocated": 8, "bits_stored": 8}))
        frames = image(3)
        source = encapsulate([frame.tobytes() for frame in frames])
        options = options_of(frames, bits_allocated=16, bits_stored=8)
        array, _ = get_decoder(JPEGLSLossless).as_array(source, decoding_plugin=LABEL, **options)
        assert array.dtype == np.uint16
        np.testing.assert_array_equal(array, frames)
        arrays = [
            array for array, _ in get_decoder(JPEGLSLossless).iter_array(source, decoding_plugin=LABEL, **options)
        ]
        assert {array.dtype for array in arrays} == {np.dtype("u1")}
        np.testing.assert_array_equal(arrays, frames)

    @pytest.mark.parametrize("uid", [JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2K])
    @pytest.mark.parametrize("colour", ["YBR_RCT", "YBR_ICT"])
    def test_an_undone_component_transform_is_rgb(self, monkeypatch, uid, colour):
        use_codecs(monkeypatch, PlainCodec(found={"photometric_interpretation": "RGB"}))
        _, properties = self.decode(uid, image(3, samples=3), photometric_interpretation=colour)
        assert properties["photometric_interpretation"] == "RGB"
        assert properties["planar_configuration"] == 0

    def test_another_colour_space_is_pydicoms_business(self, codec):
        _, properties = self.decode(JPEGBaseline8Bit, image(1, samples=3), photometric_interpretation="YBR_FULL_422")
        assert properties["photometric_interpretation"] == "RGB"
        _, properties = self.decode(
            JPEGBaseline8Bit, image(1, samples=3), photometric_interpretation="YBR_FULL_422", as_rgb=False
        )
        assert properties["photometric_interpretation"] == "YBR_FULL_422"

    @pytest.mark.parametrize(
        ("options", "order"),
        [({}, ">"), ({"rle_segment_order": "<"}, "<"), ({"byteorder": ">"}, "<"), ({"byteorder": "<"}, ">")],
    )
    def test_reversed_rle_segments_are_asked_for_by_either_name(self, codec, options, order):
        self.decode(RLELossless, image(1), **options)
        assert codec.decoded[-1][1].options.rle_segment_order == order


class FrameRunner:
    """pydicom 3.1: what describes a frame is kept frame by frame."""

    def __init__(self, runner, index):
        self._runner = runner
        self.index = index
        self.frame_options = []

    def __getattr__(self, name):
        return getattr(self._runner, name)

    def set_frame_option(self, index, name, value):
        self.frame_options.append((index, name, value))


def test_pydicom_3_1_is_told_frame_by_frame(monkeypatch):
    found = {"photometric_interpretation": "RGB", "bits_allocated": 8, "bits_stored": 8}
    use_codecs(monkeypatch, PlainCodec(found=found))
    frames = image(3, samples=3)
    runner = DecodeRunner(UID(JPEG2000Lossless))
    runner.set_source(encapsulate([frame.tobytes() for frame in frames]))
    runner.set_options(**options_of(frames, bits_allocated=16, photometric_interpretation="YBR_RCT"))
    newer = FrameRunner(runner, 1)
    assert plugin.decode_frame(frames[1].tobytes(), newer) == frames[1].tobytes()
    assert sorted(newer.frame_options) == [
        (1, "bits_allocated", 8),
        (1, "decoding_plugin", LABEL),
        (1, "photometric_interpretation", "RGB"),
        (1, "planar_configuration", 0),
    ]
    assert runner.bits_allocated == 16
