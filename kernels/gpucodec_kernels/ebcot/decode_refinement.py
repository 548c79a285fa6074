"""Magnitude refinement passes decoded, T.800 D.3.3.

All contexts are known beforehand: they are written as symbols, which their decisions replace.
"""

from __future__ import annotations

from typing import Any

from numpy import uint8, uint64

from gpucodec_kernels.bits import choose, population_count
from gpucodec_kernels.ebcot.decode_passes import near_significant
from gpucodec_kernels.ebcot.decode_state import (
    ACROSS,
    BITS,
    REFINED,
    REGION,
    REGIONS,
    STRIPES,
    STYLE,
    VISITED,
)
from gpucodec_kernels.ebcot.emission import emit_refinements
from gpucodec_kernels.ebcot.mq_decoder import AT, LOWER_HALF, A, C, decode_bit, refill
from gpucodec_kernels.ebcot.segments import STYLE_VERTICALLY_CAUSAL
from gpucodec_kernels.target import device_function, instruction

_ZERO = uint64(0)
_ONE = uint64(1)
_TWO = uint64(2)


@device_function
def emit_contexts(side, symbols):
    """Write the context of each member of the pass; return how many there are."""
    across, region, first = side[ACROSS], side[REGION], side[REGIONS]
    stride = across + _TWO
    causal = side[STYLE] & uint64(STYLE_VERTICALLY_CAUSAL)
    count = _ZERO
    for stripe in range(side[STRIPES]):
        for column in range(across):
            i = first + (stripe + _ONE) * stride + column + _ONE
            members = side[i] & ~side[uint64(VISITED) * region + i]
            if members == _ZERO:
                continue
            refined = side[uint64(REFINED) * region + i]
            near = near_significant(side, i, stride, causal)
            # What is emitted for the decision is the label's lower bit.
            count = emit_refinements(symbols, count, members, refined | ~near, refined | near, _ZERO)
    return count


@device_function
def decode_refinements(side, symbols, begin, end, data):
    """Decode refinements; each decision takes its context's place."""
    a, c, at = side[A], side[C], side[AT]
    for place in range(begin, end):
        a, c, decision = decode_bit(a, c, side, uint64(symbols[place]))
        symbols[place] = uint8(decision)
        if c & LOWER_HALF == _ZERO:
            c, at = refill(c, at, data, _ZERO)
    side[A], side[C], side[AT] = a, c, at


@device_function
def decode_refinement_pairs(side_0, symbols_0, side_1, symbols_1, count, data):
    """Decode `count` refinements of each of two codeblocks."""
    a_0, c_0, at_0 = side_0[A], side_0[C], side_0[AT]
    a_1, c_1, at_1 = side_1[A], side_1[C], side_1[AT]
    for place in range(count):
        a_0, c_0, decision_0 = decode_bit(a_0, c_0, side_0, uint64(symbols_0[place]))
        symbols_0[place] = uint8(decision_0)
        if c_0 & LOWER_HALF == _ZERO:
            c_0, at_0 = refill(c_0, at_0, data, _ZERO)
        a_1, c_1, decision_1 = decode_bit(a_1, c_1, side_1, uint64(symbols_1[place]))
        symbols_1[place] = uint8(decision_1)
        if c_1 & LOWER_HALF == _ZERO:
            c_1, at_1 = refill(c_1, at_1, data, _ZERO)
    side_0[A], side_0[C], side_0[AT] = a_0, c_0, at_0
    side_1[A], side_1[C], side_1[AT] = a_1, c_1, at_1


@device_function
def take_raw_refinements(side, symbols, count, data):
    """Take refinements from raw bits."""
    c, at = side[C], side[AT]
    for place in range(count):
        symbols[place] = uint8(c >> uint64(63))
        c <<= _ONE
        if c & LOWER_HALF == _ZERO:
            c, at = refill(c, at, data, _ONE)
    side[C], side[AT] = c, at


def _cpu_nonzero_bytes() -> Any:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    @intrinsic
    def bytes_as_bits(typing_context, symbols, at):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):
            vector = ir.VectorType(ir.IntType(8), 64)
            array = context.make_array(signature.args[0])(context, builder, value=arguments[0])
            place = builder.bitcast(builder.gep(array.data, [arguments[1]]), vector.as_pointer())
            loaded = builder.load(place, align=1)
            return builder.bitcast(builder.icmp_unsigned("!=", loaded, ir.Constant(vector, None)), ir.IntType(64))

        return types.uint64(symbols, at), generate

    return bytes_as_bits


@instruction(cpu=_cpu_nonzero_bytes)
def nonzero_bytes(symbols, at):
    """Return a word with a bit for each of 64 bytes, set where it is not zero."""
    word = _ZERO
    for place in range(uint64(64)):
        word |= choose(symbols[at + place] != uint8(0), _ONE << place, _ZERO)
    return word


def _cpu_deposit() -> Any:
    from llvmlite import ir
    from numba import types
    from numba.core.registry import cpu_target
    from numba.extending import intrinsic

    if "+bmi2" not in str(getattr(cpu_target.target_context.codegen(), "_tm_features", "")):
        return None

    @intrinsic
    def deposit_bits(typing_context, bits, members):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):  # noqa: ARG001
            word = ir.IntType(64)
            name = "llvm.x86.bmi.pdep.64"
            kind = ir.FunctionType(word, [word, word])
            function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
            return builder.call(function, arguments)

        return types.uint64(types.uint64, types.uint64), generate

    return deposit_bits


@instruction(cpu=_cpu_deposit)
def deposit(bits, members):
    """Return the bits of `bits`, from the lowest on, in the places of the bits of `members`."""
    word = _ZERO
    while members != _ZERO:
        word |= choose((bits & _ONE) != _ZERO, members & (~members + _ONE), _ZERO)
        bits >>= _ONE
        members &= members - _ONE
    return word


@device_function
def place_refinements(side, symbols):
    """Put the decisions of the pass where they belong."""
    across, region, first = side[ACROSS], side[REGION], side[REGIONS]
    stride = across + _TWO
    at = _ZERO
    for stripe in range(side[STRIPES]):
        for column in range(across):
            word = (stripe + _ONE) * stride + column + _ONE
            i = first + word
            members = side[i] & ~side[uint64(VISITED) * region + i]
            if members == _ZERO:
                continue
            side[side[BITS] + word] |= deposit(nonzero_bytes(symbols, at), members)
            side[uint64(REFINED) * region + i] |= members
            at += uint64(population_count(members))
