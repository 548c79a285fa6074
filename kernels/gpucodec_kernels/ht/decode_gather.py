"""The loop of `decode_quads` where the processor gathers: the codeblocks of a group as lanes of vectors.

What the plain loop does a slot at a time is written here once for all slots, in LLVM's terms: the compiler cannot know
that what is stored lies nowhere in the tables, and so makes no vectors of the loop itself.
"""

from __future__ import annotations

from typing import Any

from gpucodec_kernels.ht.decode_streams import EVENTS, LEFT, POSITION
from gpucodec_kernels.ht.decode_tables import (
    CONTEXT_MASK,
    EVENT,
    FIRST_RESIDUALS,
    RESIDUAL_SHIFT,
    RESIDUALS,
    TABLE_ENTRIES,
    residual_prefix,
)

LANES = 16

# By three bits of VLC and u_off: bits of the prefix, from bit 4 on those of the suffix, from bit 8 on u without it.
_PREFIXES = (0,) * 8 + tuple(
    length | suffix << 4 | value << 8 for length, suffix, value in (residual_prefix(bits) for bits in range(8))
)


def available() -> bool:
    """Return whether Numba compiles for a processor that gathers, and shifts each lane by its own count, with masks."""
    from numba.core.registry import cpu_target

    features = str(getattr(cpu_target.target_context.codegen(), "_tm_features", ""))
    return all(f"+{name}" in features for name in ("avx512f", "avx512vl", "avx512dq"))


class _Lanes:
    """Vectors of one 32-bit number a codeblock."""

    def __init__(self, context: Any, builder: Any) -> None:
        from llvmlite import ir

        self.ir, self.context, self.builder = ir, context, builder
        self.number = ir.IntType(32)
        self.word = ir.IntType(64)
        self.kind = ir.VectorType(self.number, LANES)
        self.wide = ir.VectorType(self.word, LANES)
        self.bits = ir.VectorType(ir.IntType(1), LANES)

    def all(self, value: int) -> Any:
        return self.ir.Constant(self.kind, [self.ir.Constant(self.number, value)] * LANES)

    def data(self, kind: Any, array: Any) -> Any:
        return self.context.make_array(kind)(self.context, self.builder, value=array).data

    def index(self, value: int) -> Any:
        return self.ir.Constant(self.word, value)

    def place(self, data: Any, at: Any, kind: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(data, [at]), kind.as_pointer())

    def load_field(self, state: Any, field: int) -> Any:
        wide = self.builder.load(self.place(state, self.index(field * LANES), self.wide), align=8)
        return self.builder.trunc(wide, self.kind)

    def store_field(self, state: Any, field: int, value: Any) -> None:
        place = self.place(state, self.index(field * LANES), self.wide)
        self.builder.store(self.builder.zext(value, self.wide), place, align=8)

    def gather(self, data: Any, indices: Any) -> Any:
        """Return the numbers at so many places of `data`."""
        return self._call("dpi", self.kind, data, indices, LANES, 4)

    def gather_words(self, data: Any, places: Any) -> Any:
        """Return words of 64 bits at so many bytes of `data`, as two vectors."""
        halves = self.split(places)
        kind = self.ir.VectorType(self.word, LANES // 2)
        return [self._call("dpq", kind, data, half, LANES // 2, 1) for half in halves]

    def _call(self, name: str, result: Any, data: Any, indices: Any, number: int, scale: int) -> Any:
        ir, builder = self.ir, self.builder
        bit, byte = ir.IntType(1), ir.IntType(8).as_pointer()
        mask = ir.VectorType(bit, number)
        name = f"llvm.x86.avx512.mask.gather.{name}.512"
        kind = ir.FunctionType(result, [result, byte, indices.type, mask, self.number])
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        everywhere = ir.Constant(mask, [ir.Constant(bit, 1)] * number)
        arguments = [ir.Constant(result, None), builder.bitcast(data, byte), indices, everywhere]
        return builder.call(function, [*arguments, ir.Constant(self.number, scale)])

    def permute(self, table: tuple[int, ...], indices: Any) -> Any:
        """Return entries of a table of as many entries as there are lanes."""
        ir, builder = self.ir, self.builder
        name = "llvm.x86.avx512.permvar.si.512"
        kind = ir.FunctionType(self.kind, [self.kind, self.kind])
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        return builder.call(function, [ir.Constant(self.kind, [ir.Constant(self.number, v) for v in table]), indices])

    def split(self, vector: Any) -> list[Any]:
        """Return the lower and the upper half of a vector."""
        return [self._shuffle(vector, vector, range(begin, begin + LANES // 2)) for begin in (0, LANES // 2)]

    def join(self, low: Any, high: Any) -> Any:
        """Return two halves as a vector."""
        return self._shuffle(low, high, range(LANES))

    def _shuffle(self, first: Any, second: Any, order: range) -> Any:
        kind = self.ir.VectorType(self.number, len(order))
        places = [self.ir.Constant(self.number, place) for place in order]
        return self.builder.shuffle_vector(first, second, self.ir.Constant(kind, places))

    def low_bits(self, value: Any, number: Any) -> Any:
        """Return so many of the lowest bits of each lane."""
        return self.builder.and_(value, self.builder.not_(self.builder.shl(self.all(0xFFFFFFFF), number)))

    def field(self, value: Any, shift: int, mask: int) -> Any:
        return self.builder.and_(self.builder.lshr(value, self.all(shift)), self.all(mask))


class _Step:
    """Decodes a pair of quads of every codeblock."""

    def __init__(self, lanes: _Lanes, window: Any, tables: Any, first_row: bool) -> None:
        self.lanes, self.builder = lanes, lanes.builder
        self.window, self.tables, self.first_row = window, tables, first_row
        builder = self.builder
        self.quads = tables if first_row else builder.gep(tables, [lanes.index(TABLE_ENTRIES)])
        self.residuals = builder.gep(tables, [lanes.index(FIRST_RESIDUALS if first_row else RESIDUALS)])

    def event(self, asks: Any, events: Any, place: int) -> tuple[Any, Any]:
        """Return a MEL event at bit `place`, where it is asked for, and the events after it."""
        lanes, builder = self.lanes, self.builder
        bit = builder.and_(builder.shl(events, lanes.all(place)), lanes.all(1 << place))
        return builder.select(asks, bit, lanes.all(0)), builder.select(asks, builder.lshr(events, lanes.all(1)), events)

    def quad(self, word: Any, context: Any, events: Any) -> tuple[Any, Any, Any, Any]:
        """Return the entry of a quad, the bits after it, their number, and the events after it."""
        lanes, builder = self.lanes, self.builder
        asks = builder.icmp_unsigned("<", context, lanes.all(128))
        event, events = self.event(asks, events, EVENT.bit_length() - 1)
        index = builder.or_(builder.or_(builder.and_(word, lanes.all(127)), context), event)
        entry = lanes.gather(self.quads, index)
        length = builder.and_(entry, lanes.all(7))
        return entry, builder.lshr(word, length), length, events

    def pair(self, position: Any, events: Any, left: Any, above: Any, above_next: Any) -> tuple[Any, ...]:
        """Return both words, and position, events and context after them."""
        lanes, builder = self.lanes, self.builder
        words = lanes.gather_words(self.window, builder.lshr(position, lanes.all(3)))
        shifts = lanes.split(builder.and_(position, lanes.all(7)))
        halves = [
            builder.trunc(builder.lshr(bits, builder.zext(shift, bits.type)), shift.type)
            for bits, shift in zip(words, shifts, strict=True)
        ]
        word = lanes.join(*halves)
        first, word, length, events = self.quad(word, builder.or_(above, left), events)
        position = builder.add(position, length)
        context = builder.or_(above_next, builder.and_(first, lanes.all(CONTEXT_MASK)))
        second, word, length, events = self.quad(word, context, events)
        position = builder.add(position, length)
        if not self.first_row:
            return self.residuals_by_prefix(first, second, word, position, events)
        offset = builder.and_(first, lanes.all(64))
        index = builder.or_(offset, builder.and_(word, lanes.all(63)))
        index = builder.or_(index, builder.and_(builder.shl(second, lanes.all(1)), lanes.all(128)))
        both = builder.icmp_unsigned("!=", builder.and_(offset, second), lanes.all(0))
        event, events = self.event(both, events, 8)
        index = builder.or_(index, event)
        entry = lanes.gather(self.residuals, index)
        length, suffix = builder.and_(entry, lanes.all(7)), lanes.field(entry, 4, 15)
        position = builder.add(builder.add(position, length), suffix)
        suffixes = lanes.low_bits(builder.lshr(word, length), suffix)
        length = lanes.field(entry, 8, 7)
        u_first = builder.add(lanes.field(entry, 12, 15), lanes.low_bits(suffixes, length))
        u_second = builder.add(builder.lshr(entry, lanes.all(16)), builder.lshr(suffixes, length))
        return self.words(first, second, u_first, u_second, position, events)

    def words(
        self, first: Any, second: Any, u_first: Any, u_second: Any, position: Any, events: Any
    ) -> tuple[Any, ...]:
        """Return both quads' words and the state after them."""
        lanes, builder = self.lanes, self.builder
        place = lanes.all(RESIDUAL_SHIFT)
        words = [builder.or_(quad, builder.shl(u, place)) for quad, u in ((first, u_first), (second, u_second))]
        return *words, position, events, builder.and_(second, lanes.all(CONTEXT_MASK))

    def residuals_by_prefix(self, first: Any, second: Any, word: Any, position: Any, events: Any) -> tuple[Any, ...]:
        """Return what `pair` does, the residuals decoded one after the other: sixteen prefixes fit a register."""
        lanes, builder = self.lanes, self.builder
        prefixes = []
        for entry in (first, second):
            offset = builder.and_(builder.lshr(entry, lanes.all(3)), lanes.all(8))
            prefix = lanes.permute(_PREFIXES, builder.or_(builder.and_(word, lanes.all(7)), offset))
            length = builder.and_(prefix, lanes.all(3))
            word, position = builder.lshr(word, length), builder.add(position, length)
            prefixes.append(prefix)
        residuals = []
        for prefix in prefixes:
            length = lanes.field(prefix, 4, 7)
            residuals.append(builder.add(builder.lshr(prefix, lanes.all(8)), lanes.low_bits(word, length)))
            word, position = builder.lshr(word, length), builder.add(position, length)
        return self.words(first, second, *residuals, position, events)


def _build(context: Any, builder: Any, kinds: Any, arguments: Any, first_row: bool) -> None:
    lanes = _Lanes(context, builder)
    ir = lanes.ir
    state, window, tables, above, row = (lanes.data(kinds[k], arguments[k]) for k in range(1, 6))
    begin, end = arguments[6:]
    step = _Step(lanes, window, tables, first_row)
    values = [lanes.load_field(state, field) for field in (POSITION, EVENTS, LEFT)]
    before = builder.block
    loop, after = builder.append_basic_block("pairs"), builder.append_basic_block("after_pairs")
    builder.cbranch(builder.icmp_unsigned("<", begin, end), loop, after)
    builder.position_at_end(loop)
    pair = builder.phi(lanes.word)
    phis = [builder.phi(lanes.kind) for _ in values]
    at = builder.mul(pair, lanes.index(2 * LANES))
    following = builder.add(at, lanes.index(LANES))
    contexts = [builder.load(lanes.place(above, place, lanes.kind), align=4) for place in (at, following)]
    first, second, *results = step.pair(*phis, *contexts)
    for place, word in ((at, first), (following, second)):
        builder.store(word, lanes.place(row, place, lanes.kind), align=4)
    next_pair = builder.add(pair, ir.Constant(lanes.word, 1))
    builder.cbranch(builder.icmp_unsigned("<", next_pair, end), loop, after)
    for phi, initial, result in zip((pair, *phis), (begin, *values), (next_pair, *results), strict=True):
        phi.add_incoming(initial, before)
        phi.add_incoming(result, builder.block)
    builder.position_at_end(after)
    ends = [builder.phi(lanes.kind) for _ in values]
    for phi, initial, result in zip(ends, values, results, strict=True):
        phi.add_incoming(initial, before)
        phi.add_incoming(result, loop)
    for field, phi in zip((POSITION, EVENTS, LEFT), ends, strict=True):
        lanes.store_field(state, field, phi)


def pairs_decoder(first_row: bool) -> Any:
    """Return the loop over pairs of quads of a row for the CPU, or None where it does not gather."""
    if not available():
        return None
    from numba import types
    from numba.extending import intrinsic

    @intrinsic
    def decode_pairs(typing_context, lanes, state, window, tables, above, row, begin, end):  # noqa: ARG001 - Numba looks
        def generate(context, builder, signature, arguments):
            _build(context, builder, signature.args, arguments, first_row)
            return context.get_dummy_value()

        return types.none(lanes, state, window, tables, above, row, types.uint64, types.uint64), generate

    return decode_pairs
