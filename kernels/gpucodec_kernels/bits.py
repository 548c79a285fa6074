"""Counting bits, and choosing: one instruction on every target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import int32, int64, uint32, uint64

from gpucodec_kernels.target import instruction, on_cuda


def _cpu_trailing_zeros() -> Any:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def trailing_zeros(typing_context, word):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):  # noqa: ARG001
            zeros = builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))
            return builder.trunc(zeros, ir.IntType(32))

        return types.uint32(types.uint64), generate

    return intrinsic(trailing_zeros)


def _cuda_trailing_zeros(cuda: Any) -> Any:
    # ffs counts from 1 and is 0 where no bit is set.
    def trailing_zeros(word):
        return uint32(cuda.ffs(word) - 1)

    return trailing_zeros


@instruction(cpu=_cpu_trailing_zeros, cuda=on_cuda(_cuda_trailing_zeros))
def trailing_zeros(word):
    """Return how many zero bits lie below the lowest set bit of a uint64 that is not zero, as uint32."""
    count = 0
    while (int(word) >> count) & 1 == 0:
        count += 1
    return uint32(count)


def _cpu_leading_zeros() -> Any:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def leading_zeros(typing_context, word):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):  # noqa: ARG001
            zeros = builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 0))
            return builder.trunc(zeros, ir.IntType(32))

        return types.uint32(types.uint64), generate

    return intrinsic(leading_zeros)


def _cuda_leading_zeros(cuda: Any) -> Any:
    def leading_zeros(word):
        return uint32(cuda.clz(int64(word)))

    return leading_zeros


@instruction(cpu=_cpu_leading_zeros, cuda=on_cuda(_cuda_leading_zeros))
def leading_zeros(word):
    """Return how many zero bits lie above the highest set bit of a uint64, 64 for 0, as uint32."""
    return uint32(64 - int(word).bit_length())


def _cpu_population_count() -> Any:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def population_count(typing_context, word):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):  # noqa: ARG001
            return builder.trunc(builder.ctpop(arguments[0]), ir.IntType(32))

        return types.uint32(types.uint64), generate

    return intrinsic(population_count)


def _cuda_population_count(cuda: Any) -> Any:
    def population_count(word):
        return uint32(cuda.popc(int64(word)))

    return population_count


@instruction(cpu=_cpu_population_count, cuda=on_cuda(_cuda_population_count))
def population_count(word):
    """Return how many bits of a uint64 are set, as uint32."""
    return uint32(int(word).bit_count())


def _cpu_leading_zeros_32() -> Any:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def leading_zeros_32(typing_context, word):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):  # noqa: ARG001
            low = builder.trunc(arguments[0], ir.IntType(32))
            zeros = builder.ctlz(low, ir.Constant(ir.IntType(1), 1))
            return builder.zext(zeros, ir.IntType(64))

        return types.uint64(types.uint64), generate

    return intrinsic(leading_zeros_32)


def _cuda_leading_zeros_32(cuda: Any) -> Any:
    def leading_zeros_32(word):
        return uint64(cuda.clz(int32(word)))

    return leading_zeros_32


@instruction(cpu=_cpu_leading_zeros_32, cuda=on_cuda(_cuda_leading_zeros_32))
def leading_zeros_32(word):
    """Return how many zero bits lie above the highest set bit of a word below 2**32 that is not zero, as uint64."""
    return uint64(32 - int(word).bit_length())


def _cuda_trailing_zeros_32(cuda: Any) -> Any:
    def trailing_zeros_32(word):
        return uint32(cuda.ffs(uint32(word)) - 1)

    return trailing_zeros_32


@instruction(cuda=on_cuda(_cuda_trailing_zeros_32))
def trailing_zeros_32(word):
    """Return how many zero bits lie below the lowest set bit of a uint32 that is not zero, as uint32."""
    return trailing_zeros(uint64(word))


def _cuda_population_count_32(cuda: Any) -> Any:
    def population_count_32(word):
        return uint32(cuda.popc(uint32(word)))

    return population_count_32


@instruction(cuda=on_cuda(_cuda_population_count_32))
def population_count_32(word):
    """Return how many bits of a uint32 are set, as uint32."""
    return population_count(uint64(word))


def _cpu_choose() -> Any:
    from numba import types
    from numba.extending import intrinsic

    def choose(typing_context, condition, first, second):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):  # noqa: ARG001
            chosen = builder.select(*arguments)
            # Without this LLVM moves the load of an operand behind a branch.
            chosen.set_metadata("unpredictable", builder.module.add_metadata([]))
            return chosen

        return types.uint64(types.boolean, types.uint64, types.uint64), generate

    return intrinsic(choose)


@instruction(cpu=_cpu_choose)
def choose(condition, first, second):
    """Return one of two uint64 values, both of which are there already: no branch, whatever the condition."""
    return first if condition else second


def _cpu_keep_branch() -> Any:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def keep_branch(typing_context):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):  # noqa: ARG001
            builder.asm(ir.FunctionType(ir.VoidType(), []), "", "", [], True)
            return context.get_dummy_value()

        return types.none(), generate

    return intrinsic(keep_branch)


@instruction(cpu=_cpu_keep_branch)
def keep_branch():
    """Keep the branch that this stands in a branch.

    LLVM computes both sides of a short one and selects, which costs more than a branch that is well predicted.
    """


def _cpu_nearest_integer() -> Any:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def nearest_integer(typing_context, value):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):  # noqa: ARG001
            rint = builder.module.declare_intrinsic("llvm.rint", [ir.FloatType()])
            return builder.fptosi(builder.call(rint, arguments), ir.IntType(32))

        return types.int32(types.float32), generate

    return intrinsic(nearest_integer)


def _cuda_nearest_integer(cuda: Any) -> Any:
    def nearest_integer(value):
        return cuda.libdevice.float2int_rn(value)

    return nearest_integer


@instruction(cpu=_cpu_nearest_integer, cuda=on_cuda(_cuda_nearest_integer))
def nearest_integer(value):
    """Return a float32 as the nearest int32, the even one of two; the caller has seen to it that it fits."""
    return int32(np.rint(value))
