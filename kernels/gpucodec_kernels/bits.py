"""Counting bits: one instruction on every target."""

from __future__ import annotations

from typing import Any

from numpy import uint32

from gpucodec_kernels.target import instruction


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


def _cuda_trailing_zeros() -> Any:
    from numba import cuda

    # ffs counts from 1 and is 0 where no bit is set.
    def trailing_zeros(word):
        return uint32(cuda.ffs(word) - 1)

    return cuda.jit(device=True)(trailing_zeros)


@instruction(cpu=_cpu_trailing_zeros, cuda=_cuda_trailing_zeros)
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


def _cuda_leading_zeros() -> Any:
    from numba import cuda

    def leading_zeros(word):
        return uint32(cuda.clz(word))

    return cuda.jit(device=True)(leading_zeros)


@instruction(cpu=_cpu_leading_zeros, cuda=_cuda_leading_zeros)
def leading_zeros(word):
    """Return how many zero bits lie above the highest set bit of a uint64, 64 for zero, as uint32."""
    return uint32(64 - int(word).bit_length())


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
