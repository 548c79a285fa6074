"""The names that users import, and their signatures."""

import importlib
import inspect
import pkgutil

import pytest

import gpucodec

SIGNATURES = {
    "compress": (
        "(ds, uid, arr=None, *, backend='auto', encapsulate_ext=False, generate_instance_uid=True, "
        "jls_error=None, j2k_cr=None, j2k_psnr=None, **options)"
    ),
    "decompress": "(ds, *, as_rgb=True, backend='auto', generate_instance_uid=True, **options)",
    "encode_frames": "(frames, uid, *, spec=None, backend='auto', **options_and_attributes)",
    "decode_frames": "(codestreams, uid, *, spec, backend='auto', output='numpy', **options)",
    "register": "()",
    "unregister": "()",
}


def plain(function):
    signature = inspect.signature(function)
    parameters = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(inspect.Signature(parameters))


@pytest.mark.parametrize("name", gpucodec.__all__)
def test_every_exported_name_exists(name):
    assert getattr(gpucodec, name) is not None


def test_the_exported_names_are_sorted_and_are_what_dir_shows():
    assert sorted(gpucodec.__all__, key=str.lower) == sorted(dir(gpucodec), key=str.lower)


@pytest.mark.parametrize(("name", "expected"), SIGNATURES.items())
def test_signatures_are_the_promised_ones(name, expected):
    assert plain(getattr(gpucodec, name)) == expected


def test_transcode_takes_what_is_promised():
    parameters = inspect.signature(gpucodec.transcode).parameters
    assert list(parameters)[:3] == ["source", "destination", "uid"]
    assert parameters["backend"].default == "auto"
    assert parameters["verify"].default is True


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'gpucodec' has no attribute 'enlarge'"):
        gpucodec.enlarge  # noqa: B018


def modules():
    return sorted(found.name for found in pkgutil.walk_packages(gpucodec.__path__, "gpucodec."))


@pytest.mark.parametrize("name", modules())
def test_every_name_that_a_module_exports_exists_and_has_a_docstring(name):
    module = importlib.import_module(name)
    assert module.__doc__
    for exported in getattr(module, "__all__", []):
        value = getattr(module, exported)
        assert not callable(value) or inspect.getdoc(value), exported
