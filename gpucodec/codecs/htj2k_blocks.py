"""The block coding of HTJ2K: the cleanup pass alone, T.814; all around it is JPEG 2000's."""

from __future__ import annotations

from functools import cache
from typing import Any

from gpucodec.backends import Executor
from gpucodec.codecs.jpeg2000_blocks import BlockCoder

__all__ = ["HtBlockCoder"]

# A lane's scratch is larger than a core's first cache already.
_LANES_PER_THREAD = 1


@cache
def _codes(where: Executor) -> Any:
    """Return the table of codewords, where kernels run."""
    from gpucodec_kernels.ht.tables import cxt_vlc_codes

    return where.constant(cxt_vlc_codes())


class HtBlockCoder(BlockCoder):
    """Codes a portion's codeblocks as HT codeblocks of one pass."""

    @staticmethod
    def kernels() -> Any:
        """Return the module of kernels."""
        from gpucodec_kernels.ht import encode

        return encode

    @staticmethod
    def most_passes(bitplanes: int) -> int:  # noqa: ARG004 - one is all that is written
        """Return that there is one coding pass."""
        return 1

    def launch(self, first: int, count: int) -> None:
        """Launch the kernel for some codeblocks."""
        from gpucodec_kernels.target import get_num_threads

        where, encode = self.where, self.kernels()
        lanes = min(count, _LANES_PER_THREAD * get_num_threads()) if where.on_host else count
        words = encode.scratch_words(*self.largest[:2])
        rows, columns = self.shape
        where.launch(
            encode.encode_codeblocks, lanes, lanes, first, count, self.planes, rows * columns, columns, self.table,
            self.num_blocks, self.planned.fraction_bits, _codes(where),
            where.scratch("ht_words", lanes * words, "u8"), words, self.slots(count), self.slot_bytes,
            self.lengths, self.zeros, self.passes, self.status,
        )  # fmt: skip
        # What a tag tree holds for a codeblock that is not coded is an encoder's choice: OpenJPH's is 0.
        self.zeros[first : first + count] *= self.passes[first : first + count]
