"""Limited-length Golomb codes, T.87 A.5.3: Golomb parameters and the codes themselves.

The tuple ``scan`` that device functions pass around holds what does not change within a scan, all int32:
``(maximum_sample_value, near, alphabet, reset, qbpp, limit)`` with `alphabet` for T.87's RANGE.
"""

from __future__ import annotations

from numpy import int32, uint64

from gpucodec_kernels.bits import keep_branch, leading_zeros
from gpucodec_kernels.jpegls.bits import load_bits, put_bits, take_bits
from gpucodec_kernels.target import inline_function

LARGEST_PARAMETER = 17  # k, where errors are no larger than the alphabet; A cannot have overflowed
SHORT_UNARY = 38  # zeros that with a one and the largest k fit into what `load_bits` returns and `put_bits` takes


@inline_function
def golomb_parameter(magnitude, count):
    """Return the smallest k for which ``count << k`` is at least `magnitude`, A.5.1, as int32.

    It is the difference of their lengths in bits, or one more.
    """
    lengths = int32(leading_zeros(uint64(count))) - int32(leading_zeros(uint64(magnitude) | uint64(1)))
    k = max(int32(lengths), int32(0))
    return int32(k + int32(int32(count) << k < int32(magnitude)))


@inline_function
def put_golomb(window, bits, fill, at, mapped, k, longest_unary, qbpp):
    """Append a mapped error value, A.5.3; `longest_unary` zeros say that it follows in `qbpp` bits as it is."""
    unary = uint64(mapped >> k)
    suffix = uint64(k)
    value = (uint64(1) << suffix) | (uint64(mapped) & ((uint64(1) << suffix) - uint64(1)))
    if unary >= min(uint64(longest_unary), uint64(SHORT_UNARY)):
        keep_branch()
        if unary >= uint64(longest_unary):
            unary = uint64(longest_unary)
            suffix = uint64(qbpp)
            value = (uint64(1) << suffix) | uint64(mapped - int32(1))
        bits, fill, at = put_bits(window, bits, fill, at, uint64(0), unary)
        unary = uint64(0)
    return put_bits(window, bits, fill, at, value, unary + suffix + uint64(1))


@inline_function
def take_golomb(window, position, k, longest_unary, qbpp):
    """Read a mapped error value, A.5.3; return it and the position behind it, all but `qbpp` uint64.

    What no encoder writes, more zeros than `longest_unary`, is read as 2**32. No code is longer than T.87's LIMIT.
    """
    word = load_bits(window, position)
    zeros = uint64(leading_zeros(word))
    if zeros < min(longest_unary, uint64(SHORT_UNARY)):
        # The bits from the one behind the zeros on are 2**k more than the code's last k bits.
        mapped = (zeros << k) + ((word << zeros) >> (uint64(63) - k))
        return mapped - (uint64(1) << k), position + (zeros + k + uint64(1))
    if zeros < longest_unary:
        position = position + zeros + uint64(1)
        return (zeros << k) | take_bits(window, position, k), position + k
    position = position + longest_unary + uint64(1)
    mapped = take_bits(window, position, uint64(qbpp)) + uint64(1)
    if zeros > longest_unary:
        mapped = uint64(1) << uint64(32)
    return mapped, position + uint64(qbpp)
