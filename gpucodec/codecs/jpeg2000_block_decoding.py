"""The block decoding of a portion of frames: coded codeblocks in, wavelet coefficients out. ITU-T T.800 Annex D."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gpucodec.backends import Executor
from gpucodec.codecs.jpeg2000_reading import CodedBlocks
from gpucodec.codestream.j2k_plan import DecodingPlan

__all__ = ["decode_ebcot"]

# A lane decodes one pair of codeblocks after the other in the same scratch, which should stay in the processor's cache.
_LANES_PER_THREAD = 4


def decode_ebcot(
    where: Executor,
    plan: DecodingPlan,
    coded: CodedBlocks,
    num_frames: int,
    coefficients: Any,
    jobs: npt.NDArray[np.int32] | None = None,
) -> npt.NDArray[np.int32]:
    """Decode codeblocks.

    Parameters
    ----------
    where : Executor
        Where kernels run.
    plan : DecodingPlan
        What each frame is made of.
    coded : CodedBlocks
        The bytes.
    num_frames : int
        Frames of the portion.
    coefficients : array
        int32, where they go: ``plan.num_coefficients`` for each frame.
    jobs : numpy.ndarray, optional
        The codeblocks to decode, ``frame * plan.num_blocks + codeblock`` each; without it all.

    Returns
    -------
    numpy.ndarray
        int32, a status of `gpucodec_kernels.ebcot.decode` for each codeblock of all frames.
    """
    from gpucodec_kernels.ebcot import decode
    from gpucodec_kernels.target import get_num_threads

    total = num_frames * plan.num_blocks
    if jobs is None:
        jobs = np.arange(total, dtype=np.int32)
    if not len(jobs):
        return np.zeros(total, np.int32)
    # Lanes get equal shares of long and short codeblocks, and have in turn two that are about as long.
    passes = where.download(coded.coded).reshape(-1, 3)[jobs, 1]
    jobs = jobs[np.argsort(-passes, kind="stable")]
    _, width, height, _, bitplanes = (int(column.max()) for column in plan.blocks.reshape(-1, 8).T[:5])
    lanes = min(len(jobs), _LANES_PER_THREAD * get_num_threads()) if where.on_host else -(-len(jobs) // 2)
    words, symbols = decode.scratch_words(width, height, bitplanes), decode.scratch_symbols(width, height)
    status = where.upload(np.zeros(total, np.int32))
    places, blocks = plan.uploaded(where, "ebcot", (plan.block_places, plan.blocks))
    where.launch(
        decode.decode_codeblocks, lanes, lanes, where.upload(jobs), len(jobs), coded.data, coded.segment_begins,
        coded.segments, coded.first_segment, coded.coded, 3, places, blocks, plan.num_blocks, plan.num_coefficients,
        where.scratch("block_words", lanes * words, np.uint64), words,
        where.scratch("block_symbols", lanes * symbols, np.uint8), symbols, coefficients, status,
    )  # fmt: skip
    return where.download(status)
