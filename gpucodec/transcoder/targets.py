"""The names of the transfer syntaxes one can transcode to, and of those one can come from."""

from __future__ import annotations

from gpucodec.codecs.formats import FORMATS
from gpucodec.codecs.options import EncodeOptions
from gpucodec.errors import ParameterError

__all__ = ["EXPLICIT_LITTLE_ENDIAN", "TARGETS", "encode_options", "resolve_target", "transfer_syntax_name"]

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_JPEG_LS_NEAR_LOSSLESS = "1.2.840.10008.1.2.4.81"

# Short name -> Transfer Syntax UID.
TARGETS: dict[str, str] = {
    "rle": "1.2.840.10008.1.2.5",
    "jpegls": "1.2.840.10008.1.2.4.80",
    "jpegls-near": _JPEG_LS_NEAR_LOSSLESS,
    "j2k": "1.2.840.10008.1.2.4.90",
    "j2k-lossy": "1.2.840.10008.1.2.4.91",
    "htj2k": "1.2.840.10008.1.2.4.201",
    "htj2k-rpcl": "1.2.840.10008.1.2.4.202",
    "htj2k-lossy": "1.2.840.10008.1.2.4.203",
    "explicit": EXPLICIT_LITTLE_ENDIAN,
}

# PS3.5 A.1, A.2, A.3 and A.5: the transfer syntaxes whose pixel data is not compressed.
_NATIVE_NAMES = {
    "1.2.840.10008.1.2": "Implicit VR Little Endian",
    EXPLICIT_LITTLE_ENDIAN: "Explicit VR Little Endian",
    "1.2.840.10008.1.2.1.99": "Deflated Explicit VR Little Endian",
    "1.2.840.10008.1.2.2": "Explicit VR Big Endian",
}


def resolve_target(name_or_uid: str) -> str:
    """Return the Transfer Syntax UID that a short name or a UID stands for.

    Raises
    ------
    ParameterError
        If it is neither a name in `TARGETS` nor one of their UIDs.
    """
    given = str(name_or_uid)
    uid = TARGETS.get(given.lower(), given)
    if uid not in TARGETS.values():
        raise ParameterError(f"Cannot transcode to '{given}', allowed are {', '.join(TARGETS)} and their UIDs")
    return uid


def transfer_syntax_name(uid: str) -> str:
    """Return the name of a transfer syntax in PS3.6, or the UID itself if it is not known here."""
    if uid in FORMATS:
        return FORMATS[uid].name
    return _NATIVE_NAMES.get(uid, uid)


def encode_options(uid: str, **options: object) -> EncodeOptions:
    """Check the options that go with a target, with the rules and the words of pydicom.

    Two rules are stricter than pydicom's: how large an error is acceptable is the caller's decision, so
    near-lossless needs `jls_error` to be given (0 is allowed), and a target that does not compress takes none.

    Raises
    ------
    ParameterError
        If an option is unknown, out of range, missing, or does not go with the target.
    """
    given = {name: value for name, value in options.items() if value not in (None, (), [])}
    if uid == EXPLICIT_LITTLE_ENDIAN:
        if given:
            raise ParameterError(f"'{transfer_syntax_name(uid)}' is not compressed, it takes no {sorted(given)}")
        return EncodeOptions()
    if uid == _JPEG_LS_NEAR_LOSSLESS and "jls_error" not in given:
        raise ParameterError(
            f"The '{transfer_syntax_name(uid)}' transfer syntax requires 'jls_error', the largest absolute error "
            "of a sample, 0 to 255"
        )
    return EncodeOptions.for_transfer_syntax(uid, **given)
