"""Magnitudes and signs of samples, T.814 7.1.2 and 7.3.7 to 7.3.8: MagSgn bits to coefficients.

A row of quads is decoded in loops that the compiler makes vectors of: how many bits each sample takes follows from the
words of the quads and the exponents of the row above alone; then each quad's bits are loaded, and cut into samples.

Buffers of a row have `ROW` places each. Exponents of the bottom samples of the row above are kept as leading zeros of
32 bits; one place stands before the first quad and one after the last.
"""

from __future__ import annotations

from typing import Any

from numpy import int32, int64, uint32, uint64

from gpucodec_kernels.bits import leading_zeros_32
from gpucodec_kernels.ht.decode_streams import fill_ones, load_unaligned
from gpucodec_kernels.ht.decode_tables import KNOWN_SHIFT, ONES_SHIFT, RESIDUAL_SHIFT, RHO_SHIFT, SEVERAL
from gpucodec_kernels.target import device_function, inline_function, instruction

STEP = 16  # quads that loops go through at once; those beside the codeblock are decoded to nothing
MOST_QUADS = 512  # in a row
ROW = MOST_QUADS + 2 * STEP
QUADS, LEFT_ZEROS, RIGHT_ZEROS, LENGTHS, TOTALS, VALUES = 0, ROW, 2 * ROW, 3 * ROW, 4 * ROW, 5 * ROW
ROW_WORDS = 9 * ROW
TASKS = 2  # codeblocks that take turns
TASK_HEIGHT, MOST, UP, MIDDLE, TASK_PLACE, TASK_STRIDE, FILLED, TASK_POSITION, LARGEST, FAILED = range(10)
TASK_FIELDS = 10
SHORT_BOUND = 14  # four samples of so many bits are loaded at once

_ZERO, _ONE = uint64(0), uint64(1)
_STEP = uint64(STEP)
_LINE = 16  # coefficients in a line of the cache
_NONE, _BIT = uint32(0), uint32(1)
_BYTE = uint32(255)
_SHIFTS = uint32(31)  # the compiler shifts in 32 bits where it sees that it may
_EACH_BYTE = uint32(0x01010101)


def _cpu_fetch() -> Any:
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def fetch_ahead(typing_context, array, place):  # noqa: ARG001 - Numba looks at the names
        def generate(context, builder, signature, arguments):
            data = context.make_array(signature.args[0])(context, builder, value=arguments[0]).data
            byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
            name = "llvm.prefetch.p0"
            prefetch = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
            at = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
            builder.call(
                prefetch, [at, *(ir.Constant(number, value) for value in (1, 3, 1))]
            )  # to write, to keep, data
            return context.get_dummy_value()

        return types.none(array, types.int64), generate

    return intrinsic(fetch_ahead)


@instruction(cpu=_cpu_fetch)
def fetch_ahead(array, place):
    """Have memory that is soon written brought into the cache."""


@inline_function
def larger(first, second):
    """Return the larger of two uint32."""
    return first if first > second else second


@inline_function
def copy_quads(words, row):
    """Copy the words of a row of quads."""
    width = uint64(len(row))
    whole = width & ~(_STEP - _ONE)
    for block in range(_ZERO, whole, _STEP):
        for quad in range(block, block + _STEP):
            words[uint64(QUADS) + quad] = row[quad]
    for quad in range(whole, width):
        words[uint64(QUADS) + quad] = row[quad]


@inline_function
def smaller(first, second):
    """Return the smaller of two uint32."""
    return first if first < second else second


@inline_function
def find_quad_lengths(word, left, next_left, last_right, right):
    """Return how many bits each sample of a quad has, a byte each, and the bound of their exponents.

    After the quad's word come the leading zeros of the values above: of the quad's left sample and the next quad's, of
    the right sample of the quad before and of the quad's.
    """
    zeros = smaller(smaller(last_right, left), smaller(right, next_left))
    predicted = uint32(uint32(31) - smaller(zeros, uint32(30))) if word & uint32(SEVERAL) else _BIT
    bound = uint32(predicted + uint32(uint32(word >> uint32(RESIDUAL_SHIFT)) & uint32(63)))
    significant = uint32(uint32(word >> uint32(RHO_SHIFT)) & _EACH_BYTE)
    return uint32(significant * bound - uint32(uint32(word >> uint32(KNOWN_SHIFT)) & _EACH_BYTE)), bound


@inline_function
def sum_bytes(lengths):
    """Return the sum of four bytes, which is below 256."""
    pairs = uint32(lengths + uint32(lengths >> uint32(16)))
    return uint32(uint32(pairs + uint32(pairs >> uint32(8))) & _BYTE)


@inline_function
def find_lengths(words, width):
    """Write how many bits each sample of a row has, four bytes a quad, and how many each quad.

    Returns
    -------
    uint32
        The largest bound of exponents.
    """
    largest = _NONE
    for block in range(_ZERO, width, _STEP):
        for quad in range(block, block + _STEP):
            lengths, bound = find_quad_lengths(
                words[uint64(QUADS) + quad], words[uint64(LEFT_ZEROS + 1) + quad], words[uint64(LEFT_ZEROS + 2) + quad],
                words[uint64(RIGHT_ZEROS) + quad], words[uint64(RIGHT_ZEROS + 1) + quad],
            )  # fmt: skip
            words[uint64(LENGTHS) + quad] = lengths
            words[uint64(TOTALS) + quad] = sum_bytes(lengths)
            largest = larger(largest, bound)
    return largest


@inline_function
def cut(bits, length, ones, sample):
    """Return a sample's value: its lowest bits, and above them the one that e_1 tells."""
    top = uint32(_BIT << length)
    value = uint32(bits & uint32(top - _BIT))
    return uint32(value | top) if ones & uint32(1 << ONES_SHIFT << sample) else value


@inline_function
def as_coefficient(value, word, sample, up, middle):
    """Return the coefficient of a value, the magnitude less one and its sign."""
    magnitude = uint32(uint32(uint32(value >> _BIT) << uint32(up & _SHIFTS)) + middle)
    magnitude = magnitude if word & uint32(1 << RHO_SHIFT << 8 * sample) else _NONE
    return uint32(uint32(~magnitude) + _BIT) if value & _BIT else magnitude


@inline_function
def finish_quad(words, quad, word, value_0, value_1, value_2, value_3, up, middle):
    """Write a quad's coefficients, and the leading zeros of its bottom samples' values."""
    words[uint64(LEFT_ZEROS + 1) + quad] = uint32(leading_zeros_32(uint64(uint32(value_1 | _BIT))))
    words[uint64(RIGHT_ZEROS + 1) + quad] = uint32(leading_zeros_32(uint64(uint32(value_3 | _BIT))))
    words[uint64(VALUES) + quad] = as_coefficient(value_0, word, 0, up, middle)
    words[uint64(VALUES + ROW) + quad] = as_coefficient(value_1, word, 1, up, middle)
    words[uint64(VALUES + 2 * ROW) + quad] = as_coefficient(value_2, word, 2, up, middle)
    words[uint64(VALUES + 3 * ROW) + quad] = as_coefficient(value_3, word, 3, up, middle)


@inline_function
def halve_bits(words, bits, width):
    """Write the bits of the left and of the right samples of each quad, of at most `SHORT_BOUND` bits a sample."""
    for quad in range(width):
        lengths = words[uint64(LENGTHS) + quad]
        length = uint32(uint32(lengths + uint32(lengths >> uint32(8))) & _BYTE)
        words[uint64(VALUES) + quad] = uint32(bits[quad] & uint64(0xFFFFFFFF))
        words[uint64(VALUES + ROW) + quad] = uint32((bits[quad] >> uint64(length)) & uint64(0xFFFFFFFF))


@inline_function
def cut_short(words, width, up, middle):
    """Cut each quad's bits, in halves, into four samples."""
    for block in range(_ZERO, width, _STEP):
        for quad in range(block, block + _STEP):
            word = words[uint64(QUADS) + quad]
            lengths = words[uint64(LENGTHS) + quad]
            length_0 = uint32(lengths & _SHIFTS)
            length_1 = uint32(uint32(lengths >> uint32(8)) & _SHIFTS)
            length_2 = uint32(uint32(lengths >> uint32(16)) & _SHIFTS)
            length_3 = uint32(uint32(lengths >> uint32(24)) & _SHIFTS)
            left, right = words[uint64(VALUES) + quad], words[uint64(VALUES + ROW) + quad]
            finish_quad(
                words, quad, word, cut(left, length_0, word, 0), cut(uint32(left >> length_0), length_1, word, 1),
                cut(right, length_2, word, 2), cut(uint32(right >> length_2), length_3, word, 3), up, middle,
            )  # fmt: skip


@inline_function
def take_value(window, position, lengths, word, sample):
    """Return a sample's value of at most 33 bits from a window, and its length."""
    length = uint64((lengths >> uint32(8 * sample)) & _BYTE)
    top = _ONE << length
    value = (load_unaligned(window, position >> uint64(3)) >> (position & uint64(7))) & (top - _ONE)
    if word & uint32(1 << ONES_SHIFT << sample):
        value = value | top
    return uint32(value & uint64(0xFFFFFFFF)), position + length


@device_function
def cut_long(words, window, position, width, up, middle):
    """Cut samples of any length out of a window; return the position after them."""
    for quad in range(width):
        word, lengths = words[uint64(QUADS) + quad], words[uint64(LENGTHS) + quad]
        value_0, position = take_value(window, position, lengths, word, 0)
        value_1, position = take_value(window, position, lengths, word, 1)
        value_2, position = take_value(window, position, lengths, word, 2)
        value_3, position = take_value(window, position, lengths, word, 3)
        finish_quad(words, quad, word, value_0, value_1, value_2, value_3, up, middle)
    return position


@inline_function
def load_quads(words, bits, window, position, width):
    """Load the bits of each quad of a row, at most 57, from a window; return the position after them."""
    for quad in range(width):
        bits[quad] = load_unaligned(window, position >> uint64(3)) >> (position & uint64(7))
        position = position + uint64(words[uint64(TOTALS) + quad])
    return position


@inline_function
def write_row(words, left, right, row, width):
    """Write a row of coefficients, those of left and of right samples in turn."""
    for quad in range(width >> _ONE):
        row[uint64(2) * quad] = int32(words[left + quad])
        row[uint64(2) * quad + _ONE] = int32(words[right + quad])
    if width & _ONE:
        row[width - _ONE] = int32(words[left + (width >> _ONE)])


@device_function
def begin_samples(words, across):
    """Prepare the buffers of a row for a codeblock."""
    for at in range(((across + _STEP) & ~(_STEP - _ONE)) + uint64(2)):
        words[uint64(QUADS) + at] = _NONE
        words[uint64(LEFT_ZEROS) + at] = uint32(32)
        words[uint64(RIGHT_ZEROS) + at] = uint32(32)


@inline_function
def measure_row(number, across, quads, task, words, window, coefficients):
    """Find the lengths of a row of quads; see to it that the window and the coefficients' memory are there."""
    task[LARGEST] = _ZERO
    if uint64(2) * number >= task[TASK_HEIGHT]:
        return
    copy_quads(words, quads[number * across : (number + _ONE) * across])
    largest = uint64(find_lengths(words, across))
    if largest > task[MOST]:
        task[TASK_HEIGHT] = _ZERO
        task[FAILED] = _ONE
        return
    task[LARGEST] = largest
    reach = task[TASK_POSITION] + uint64(4) * across * largest
    if reach > task[FILLED]:
        fill_ones(window, task[FILLED], reach)
        task[FILLED] = reach
    row_stride = int64(task[TASK_STRIDE])
    next_row = int64(task[TASK_PLACE]) + int64(2) * row_stride
    for at in range(next_row, next_row + int64(uint64(2) * across), int64(_LINE)):
        fetch_ahead(coefficients, at)
        fetch_ahead(coefficients, at + row_stride)


@inline_function
def write_rows(number, width, task, words, coefficients):
    """Write the two rows of coefficients of a row of quads."""
    top, row_stride = int64(task[TASK_PLACE]), int64(task[TASK_STRIDE])
    end = top + int64(width)
    write_row(words, uint64(VALUES), uint64(VALUES + 2 * ROW), coefficients[top:end], width)
    if uint64(2) * number + _ONE < task[TASK_HEIGHT]:
        below = coefficients[top + row_stride : end + row_stride]
        write_row(words, uint64(VALUES + ROW), uint64(VALUES + 3 * ROW), below, width)
    task[TASK_PLACE] = uint64(top + int64(2) * row_stride)


@device_function
def decode_samples(width, rows, quads, strides, tasks, words, windows, bits, coefficients):
    """Decode the samples of `TASKS` codeblocks of equal width from the words of their quads.

    They take turns, so that what one has written to memory need not be read again at once.

    Parameters
    ----------
    width, rows : uint64
        Samples of a row, and rows of quads, the most of a codeblock.
    quads : array
        uint32, a word a quad.
    strides : tuple
        Of codeblocks in `quads` and in `windows`.
    tasks : array
        `TASK_FIELDS` numbers a codeblock: its height, 0 where there is none, the largest bound of exponents that there
        may be, by how many places a magnitude goes up, the middle of its interval, that of one included, where its
        coefficients go, their row stride, and the bits in its window. `FAILED` tells of a bound that is too large.
    words, bits : array
        Scratch: `ROW_WORDS` of uint32 and `ROW` of uint64 a codeblock.
    windows : array
        MagSgn bits.
    coefficients : array
        What is written.
    """
    across = (width + _ONE) >> _ONE
    quads_stride, window_stride = strides
    for turn in range(TASKS):
        begin_samples(words[turn * ROW_WORDS : (turn + 1) * ROW_WORDS], across)
    for number in range(rows):
        for turn in range(TASKS):
            task = tasks[turn * TASK_FIELDS : (turn + 1) * TASK_FIELDS]
            measure_row(
                number, across, quads[turn * quads_stride : (turn + 1) * quads_stride], task,
                words[turn * ROW_WORDS : (turn + 1) * ROW_WORDS],
                windows[turn * window_stride : (turn + 1) * window_stride], coefficients,
            )  # fmt: skip
        for turn in range(TASKS):
            task = tasks[turn * TASK_FIELDS : (turn + 1) * TASK_FIELDS]
            if _ZERO < task[LARGEST] <= uint64(SHORT_BOUND):
                mine = words[turn * ROW_WORDS : (turn + 1) * ROW_WORDS]
                window = windows[turn * window_stride : (turn + 1) * window_stride]
                row_bits = bits[turn * ROW : (turn + 1) * ROW]
                task[TASK_POSITION] = load_quads(mine, row_bits, window, task[TASK_POSITION], across)
        for turn in range(TASKS):
            if _ZERO < tasks[turn * TASK_FIELDS + LARGEST] <= uint64(SHORT_BOUND):
                mine = words[turn * ROW_WORDS : (turn + 1) * ROW_WORDS]
                halve_bits(mine, bits[turn * ROW : (turn + 1) * ROW], across)
        for turn in range(TASKS):
            task = tasks[turn * TASK_FIELDS : (turn + 1) * TASK_FIELDS]
            mine = words[turn * ROW_WORDS : (turn + 1) * ROW_WORDS]
            up, middle = uint32(task[UP]), uint32(task[MIDDLE])
            if task[LARGEST] > uint64(SHORT_BOUND):
                window = windows[turn * window_stride : (turn + 1) * window_stride]
                task[TASK_POSITION] = cut_long(mine, window, task[TASK_POSITION], across, up, middle)
            elif task[LARGEST] > _ZERO:
                cut_short(mine, across, up, middle)
        for turn in range(TASKS):
            task = tasks[turn * TASK_FIELDS : (turn + 1) * TASK_FIELDS]
            if task[LARGEST] > _ZERO:
                write_rows(number, width, task, words[turn * ROW_WORDS : (turn + 1) * ROW_WORDS], coefficients)
