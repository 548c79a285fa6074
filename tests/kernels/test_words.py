"""Words and bits, through kernels of the tests' own, against Python's integers."""

import numpy as np
import pytest
from gpucodec_kernels.bits import trailing_zeros
from gpucodec_kernels.target import kernel
from gpucodec_kernels.words import first_set_byte, load_word, repeat_byte, store_word, zero_bytes
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import uint64

from gpucodec.backends import Executor

pytestmark = pytest.mark.kernel
EXAMPLES = settings(settings.get_profile("kernels"))
WORDS = st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=20)


@kernel("uint8[::1], uint64[::1], uint8[::1], int32[::1]")
def examine_word(index, source, words, copies, counts):
    """Load, store, and count in one word."""
    word = load_word(source, index * 8)
    words[index * 3] = word
    words[index * 3 + 1] = repeat_byte(source[index * 8])
    words[index * 3 + 2] = zero_bytes(word)
    store_word(copies, index * 8, word)
    if word != uint64(0):
        counts[index * 2] = trailing_zeros(word)
        counts[index * 2 + 1] = first_set_byte(word)


@EXAMPLES
@given(chunks=WORDS | st.lists(st.sampled_from([bytes(8), b"\1" + bytes(7), bytes(7) + b"\x80", b"\xff" * 8])))
def test_words_hold_eight_bytes_and_tell_of_them(where: Executor, chunks: list[bytes]) -> None:
    data = b"".join(chunks)
    copies, words = where.empty(len(data), np.uint8), where.empty(3 * len(chunks), np.uint64)
    counts = where.empty(2 * len(chunks), np.int32)
    where.launch(examine_word, len(chunks), where.upload(np.frombuffer(data, np.uint8)), words, copies, counts)
    assert where.download(copies).tobytes() == data
    for chunk, (word, repeated, zeros), (bits, byte) in zip(
        chunks,
        where.download(words).reshape(-1, 3).tolist(),
        where.download(counts).reshape(-1, 2).tolist(),
        strict=True,
    ):
        assert word == int.from_bytes(chunk, "little")
        assert repeated == int.from_bytes(chunk[:1] * 8, "little")
        assert zeros == sum(0x80 << (8 * place) for place in range(8) if chunk[place] == 0)
        if word:
            assert bits == (word & -word).bit_length() - 1
            assert byte == bits // 8
