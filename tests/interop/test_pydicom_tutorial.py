"""pydicom's compression tutorial and encoding guides, step by step, with the plugin named."""

import numpy as np
import pytest
from pydicom import dcmread, examples
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.pixels import compress, decompress, get_decoder, get_encoder, iter_pixels, pixel_array
from pydicom.uid import (
    JPEG2000,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

import gpucodec
from tests.interop.openjpeg_peer import without_comment

PLUGIN = {"encoding_plugin": "gpucodec"}


@pytest.fixture(autouse=True)
def _registered():
    gpucodec.register()
    yield
    gpucodec.unregister()


def codestream_of(ds):
    return next(generate_frames(ds.PixelData, number_of_frames=1)).rstrip(b"\0")  # padded to even length


def num_layers(codestream):
    cod = codestream.index(b"\xff\x52")
    return int.from_bytes(codestream[cod + 6 : cod + 8], "big")  # SGcod, ITU-T T.800 A.6.1


class TestRle:
    def test_compress_a_dataset(self):
        ds = examples.ct
        before = ds.pixel_array
        uid = ds.SOPInstanceUID
        ds.compress(RLELossless, **PLUGIN)
        assert ds.file_meta.TransferSyntaxUID == RLELossless
        assert ds["PixelData"].is_undefined_length
        assert ds.SOPInstanceUID != uid
        for plugin in ("gpucodec", "pydicom", "pylibjpeg"):
            array, _ = get_decoder(RLELossless).as_array(ds, decoding_plugin=plugin)
            np.testing.assert_array_equal(array, before)

    def test_compress_an_array(self):
        ds = examples.ct
        array = ds.pixel_array[::-1]
        ds.compress(RLELossless, array, **PLUGIN)
        np.testing.assert_array_equal(ds.pixel_array, array)

    def test_compress_an_already_compressed_dataset_with_a_new_array(self):
        ds = examples.jpeg2k
        array = np.full_like(ds.pixel_array, 17)
        ds.PhotometricInterpretation = "RGB"  # of the array; the dataset had YBR_RCT, which RLE does not allow
        ds.compress(RLELossless, array, **PLUGIN)
        np.testing.assert_array_equal(ds.pixel_array, array)
        with pytest.raises(ValueError, match="Only uncompressed datasets may be compressed"):
            ds.compress(RLELossless, **PLUGIN)

    def test_the_function_of_pydicom_pixels(self):
        ds = examples.ct
        before = ds.pixel_array
        compress(ds, RLELossless, **PLUGIN)
        decompress(ds, decoding_plugin="gpucodec")
        np.testing.assert_array_equal(ds.pixel_array, before)


class TestJpegLs:
    def test_lossless(self):
        ds = examples.mr
        before = ds.pixel_array
        ds.compress(JPEGLSLossless, **PLUGIN)
        np.testing.assert_array_equal(ds.pixel_array, before)

    @pytest.mark.parametrize("planar_configuration", [0, 1])
    def test_colour_by_pixel_and_by_plane(self, planar_configuration):
        ds = examples.rgb_color
        before = ds.pixel_array
        ds.PlanarConfiguration = planar_configuration
        ds.compress(JPEGLSLossless, before, **PLUGIN)
        codestream = codestream_of(ds)
        scan = codestream.index(b"\xff\xda")
        assert codestream[scan + 4] == (1 if planar_configuration else 3)  # components in the first scan, T.87 C.2.3
        np.testing.assert_array_equal(ds.pixel_array, before)

    def test_near_lossless_of_unsigned_samples(self):
        ds = examples.rgb_color
        before = ds.pixel_array
        ds.compress(JPEGLSNearLossless, jls_error=2, **PLUGIN)
        error = np.abs(ds.pixel_array.astype(int) - before).max()
        assert 0 < error <= 2

    def test_near_lossless_of_signed_samples_stays_away_from_the_edges(self):
        ds = examples.ct
        array = ds.pixel_array
        assert ds.PixelRepresentation == 1
        low, high = -(2 ** (ds.BitsStored - 1)), 2 ** (ds.BitsStored - 1) - 1
        array[0, 0] = high
        message = rf"a 'jls_error' of '3' is \({low + 3}, {high - 3}\)"
        with pytest.raises(ValueError, match=message):
            ds.compress(JPEGLSNearLossless, array, jls_error=3, **PLUGIN)
        with pytest.raises(gpucodec.errors.ParameterError, match=message):
            gpucodec.compress(ds, JPEGLSNearLossless, array, jls_error=3)
        array = np.clip(array, low + 3, high - 3)
        ds.compress(JPEGLSNearLossless, array, jls_error=3, **PLUGIN)
        assert np.abs(ds.pixel_array.astype(int) - array).max() <= 3


class TestJpeg2000:
    def test_lossless_with_and_without_the_component_transform(self):
        sizes = {}
        for colour in ("YBR_RCT", "RGB"):
            ds = examples.rgb_color
            before = ds.pixel_array
            ds.PhotometricInterpretation = colour
            ds.compress(JPEG2000Lossless, **PLUGIN)
            sizes[colour] = len(ds.PixelData)
            np.testing.assert_array_equal(ds.pixel_array, before)
        assert sizes["YBR_RCT"] < 0.6 * sizes["RGB"]

    @pytest.mark.parametrize("options", [{"j2k_cr": [20, 10, 5]}, {"j2k_psnr": [30, 40, 50]}])
    @pytest.mark.parametrize("colour", ["YBR_ICT", "RGB"])
    def test_lossy_with_layers(self, options, colour):
        ours, theirs = examples.rgb_color, examples.rgb_color
        before = ours.pixel_array.astype(float)
        for ds, plugin in ((ours, "gpucodec"), (theirs, "pylibjpeg")):
            ds.PhotometricInterpretation = colour
            ds.compress(JPEG2000, encoding_plugin=plugin, **options)
        assert num_layers(codestream_of(ours)) == 3
        if "j2k_cr" in options:
            assert codestream_of(ours) == without_comment(codestream_of(theirs))
        psnr = 10 * np.log10(255**2 / np.mean((ours.pixel_array - before) ** 2))
        assert psnr > 28

    def test_an_option_is_needed(self):
        with pytest.raises(RuntimeError, match="requires a lossy configuration option such as 'j2k_cr' or 'j2k_psnr'"):
            examples.rgb_color.compress(JPEG2000, **PLUGIN)
        with pytest.raises(RuntimeError, match="please specify only one"):
            examples.rgb_color.compress(JPEG2000, j2k_cr=[5], j2k_psnr=[40], **PLUGIN)


class TestEncapsulating:
    def frames(self):
        rng = np.random.default_rng(2)
        return rng.integers(0, 4096, (5, 40, 36)).astype("u2")

    def dataset(self):
        ds = examples.mr
        frames = self.frames()
        ds.NumberOfFrames, ds.Rows, ds.Columns = frames.shape
        ds.PixelRepresentation, ds.BitsStored, ds.HighBit = 0, 12, 11
        ds.PixelData = frames.tobytes()
        return ds

    @pytest.mark.parametrize("uid", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
    def test_encode_and_encapsulate_by_hand(self, uid, tmp_path):
        encoder = get_encoder(uid)
        ds = self.dataset()
        encoded = [encoder.encode(ds, index=index, **PLUGIN) for index in range(5)]
        assert encoded == list(encoder.iter_encode(ds, **PLUGIN))
        ds.PixelData = encapsulate(encoded)
        ds["PixelData"].is_undefined_length = True
        ds["PixelData"].VR = "OB"
        ds.file_meta.TransferSyntaxUID = uid
        np.testing.assert_array_equal(ds.pixel_array, self.frames())
        ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(encoded)
        ds.save_as(tmp_path / "extended.dcm")
        array = pixel_array(tmp_path / "extended.dcm", decoding_plugin="gpucodec")
        np.testing.assert_array_equal(array, self.frames())

    @pytest.mark.parametrize("encapsulate_ext", [False, True])
    @pytest.mark.parametrize("uid", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
    def test_a_multi_frame_dataset(self, uid, encapsulate_ext, tmp_path):
        ds = self.dataset()
        ds.compress(uid, encapsulate_ext=encapsulate_ext, **PLUGIN)
        assert ("ExtendedOffsetTable" in ds) == encapsulate_ext
        ds.save_as(tmp_path / "image.dcm")
        for frame, expected in zip(
            iter_pixels(tmp_path / "image.dcm", decoding_plugin="gpucodec"), self.frames(), strict=True
        ):
            np.testing.assert_array_equal(frame, expected)
        ds = dcmread(tmp_path / "image.dcm")
        ds.pixel_array_options(decoding_plugin="gpucodec")
        np.testing.assert_array_equal(ds.pixel_array, self.frames())
        ds.decompress(decoding_plugin="gpucodec")
        assert ds.PixelData == self.frames().tobytes()


class TestDecompressing:
    @pytest.mark.parametrize("as_rgb", [True, False])
    def test_colour(self, as_rgb):
        ours, theirs = examples.ybr_color, examples.ybr_color
        for ds, plugin in ((ours, "gpucodec"), (theirs, "pylibjpeg")):
            ds.decompress(decoding_plugin=plugin, as_rgb=as_rgb)
        assert ours.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert (
            ours.PhotometricInterpretation == theirs.PhotometricInterpretation == ("RGB" if as_rgb else "YBR_FULL_422")
        )
        assert ours.PixelData == theirs.PixelData
        mine = gpucodec.decompress(examples.ybr_color, as_rgb=as_rgb)
        assert mine.PixelData == theirs.PixelData
        # no longer subsampled, so no longer called so
        assert mine.PhotometricInterpretation == ("RGB" if as_rgb else "YBR_FULL")

    def test_jpeg_2000(self):
        ds = examples.jpeg2k
        before = ds.pixel_array
        ds.decompress(decoding_plugin="gpucodec")
        np.testing.assert_array_equal(ds.pixel_array, before)

    def test_an_unknown_plugin_is_pydicoms_error(self):
        gpucodec.unregister()
        with pytest.raises(ValueError, match="No plugin named 'gpucodec' has been added"):
            examples.jpeg2k.decompress(decoding_plugin="gpucodec")
