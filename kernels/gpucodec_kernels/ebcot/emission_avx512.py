"""The writing of symbols (see `emission`) where the processor moves chosen bytes of a vector together: AVX-512 VBMI2.

Bytes of 64 coefficients are put together from words of bits, interleaved where a coefficient has several symbols,
and compressed: no loop over coefficients. Bit 7 marks the bytes that are wanted until then.
"""

from __future__ import annotations

from typing import Any

WIDTH = 64
_WANTED = 0x80


def available() -> bool:
    """Return whether Numba compiles for a processor with these instructions."""
    from numba.core.registry import cpu_target

    features = str(getattr(cpu_target.target_context.codegen(), "_tm_features", ""))
    return all(f"+{name}" in features for name in ("avx512bw", "avx512vbmi", "avx512vbmi2"))


class _Vectors:
    """What the emitters are built of, in LLVM's terms."""

    def __init__(self, builder: Any) -> None:
        from llvmlite import ir

        self.ir, self.builder = ir, builder
        self.word = ir.IntType(64)
        self.bytes = ir.VectorType(ir.IntType(8), WIDTH)
        self.bits = ir.VectorType(ir.IntType(1), WIDTH)
        self.zero = ir.Constant(self.bytes, None)

    def splat(self, value: int) -> Any:
        return self.ir.Constant(self.bytes, [self.ir.Constant(self.ir.IntType(8), value)] * WIDTH)

    def symbols(self, wanted: Any, *words: Any, always: int = 0) -> Any:
        """Return bytes of which bit k is given by word k, `always` added, marked where `wanted` has a bit."""
        total = self.splat(always) if always else self.zero
        for word, value in [*((word, 1 << k) for k, word in enumerate(words)), (wanted, _WANTED)]:
            chosen = self.builder.select(self.builder.bitcast(word, self.bits), self.splat(value), self.zero)
            total = self.builder.or_(total, chosen)
        return total

    def interleave(self, first: Any, second: Any, unit: int = 1) -> tuple[Any, Any]:
        """Return two vectors in which groups of `unit` bytes of both take turns."""
        half = WIDTH // 2
        halves = []
        for start in (0, half):
            order = [
                source * WIDTH + start + group * unit + byte
                for group in range(half // unit)
                for source in range(2)
                for byte in range(unit)
            ]
            mask = self.ir.Constant(
                self.ir.VectorType(self.ir.IntType(32), WIDTH),
                [self.ir.Constant(self.ir.IntType(32), place) for place in order],
            )
            halves.append(self.builder.shuffle_vector(first, second, mask))
        return halves[0], halves[1]

    def store(self, data: Any, at: Any, vector: Any) -> Any:
        """Write the marked bytes of a vector from `at` on; return the place after the last."""
        builder, ir = self.builder, self.ir
        wanted = builder.icmp_signed("<", vector, self.zero)
        kind = ir.FunctionType(self.bytes, [self.bytes, self.bytes, self.bits])
        name = "llvm.x86.avx512.mask.compress.v64i8"
        compress = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        plain = builder.and_(vector, self.splat(_WANTED - 1))
        packed = builder.call(compress, [plain, self.zero, wanted])
        place = builder.bitcast(builder.gep(data, [at]), self.bytes.as_pointer())
        builder.store(packed, place, align=1)
        return builder.add(at, builder.ctpop(builder.bitcast(wanted, self.word)))


def _store_all(vectors: _Vectors, array: Any, at: Any, parts: tuple[Any, ...]) -> Any:
    for part in parts:
        at = vectors.store(array.data, at, part)
    return at


def refinements() -> Any:
    """Return the emitter of magnitude refinement symbols."""
    import numba
    from numba.extending import intrinsic

    @intrinsic
    def store_refinements(typing_context, symbols, at, members, decisions, label_0, label_1):  # noqa: ARG001
        def build(context, builder, signature, arguments):
            vectors = _Vectors(builder)
            array = context.make_array(signature.args[0])(context, builder, value=arguments[0])
            return vectors.store(array.data, arguments[1], vectors.symbols(*arguments[2:], always=16))

        return at(symbols, at, members, decisions, label_0, label_1), build

    def emit_refinements(symbols, at, members, decisions, label_0, label_1):
        return store_refinements(symbols, at, members, decisions, label_0, label_1)

    return numba.njit(nogil=True)(emit_refinements)


def significance() -> Any:
    """Return the emitter of zero coding symbols with signs after them."""
    import numba
    from numba.extending import intrinsic

    @intrinsic
    def store_pairs(typing_context, symbols, at, members, ones, decisions, l0, l1, l2, l3, signs, s0, s1, s2):  # noqa: ARG001
        def build(context, builder, signature, arguments):
            vectors = _Vectors(builder)
            array = context.make_array(signature.args[0])(context, builder, value=arguments[0])
            at, members, ones = arguments[1:4]
            zero_coding = vectors.symbols(members, *arguments[4:9])
            sign_coding = vectors.symbols(ones, *arguments[9:13], always=32)
            return _store_all(vectors, array, at, vectors.interleave(zero_coding, sign_coding))

        return at(symbols, at, members, ones, decisions, l0, l1, l2, l3, signs, s0, s1, s2), build

    def emit_significance(symbols, at, members, decisions, labels, signs, sign_labels):
        l0, l1, l2, l3 = labels
        s0, s1, s2 = sign_labels
        return store_pairs(symbols, at, members, members & decisions, decisions, l0, l1, l2, l3, signs, s0, s1, s2)

    return numba.njit(nogil=True)(emit_significance)


def runs() -> Any:
    """Return the emitter of zero coding symbols, ends of runs and signs."""
    import numba
    from numba.extending import intrinsic
    from numpy import uint64

    upper_rows, odd_rows = uint64(0xCCCCCCCCCCCCCCCC), uint64(0xAAAAAAAAAAAAAAAA)

    @intrinsic
    def store_fours(
        typing_context, symbols, at, members, ones, firsts, decisions, l0, l1, l2, l3, signs, s0, s1, s2, high, low  # noqa: ARG001
    ):  # fmt: skip
        def build(context, builder, signature, arguments):
            vectors = _Vectors(builder)
            array = context.make_array(signature.args[0])(context, builder, value=arguments[0])
            at, members, ones, firsts = arguments[1:5]
            zero_coding = vectors.symbols(members, *arguments[5:10])
            sign_coding = vectors.symbols(ones, *arguments[10:14], always=32)
            high = vectors.symbols(firsts, arguments[14], always=26)
            low = vectors.symbols(firsts, arguments[15], always=26)
            ends = vectors.interleave(zero_coding, high)
            rests = vectors.interleave(low, sign_coding)
            for end, rest in zip(ends, rests, strict=True):
                at = _store_all(vectors, array, at, vectors.interleave(end, rest, unit=2))
            return at

        signature = at(symbols, at, members, ones, firsts, decisions, l0, l1, l2, l3, signs, s0, s1, s2, high, low)
        return signature, build

    def emit_runs(symbols, at, members, decisions, labels, signs, sign_labels, firsts):
        # The symbol of a run that ended, 25 = 0b11001, in place of a label.
        l0, l1, l2, l3 = labels
        s0, s1, s2 = sign_labels
        return store_fours(
            symbols, at, members, members & decisions, firsts, decisions, l0 & ~firsts, l1 & ~firsts, l2 | firsts,
            l3 | firsts, signs, s0, s1, s2, upper_rows, odd_rows,
        )  # fmt: skip

    return numba.njit(nogil=True)(emit_runs)
