"""The block decoding of HTJ2K: HT codeblocks, and among them those of Part 1 where a codestream mixes both, T.814."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gpucodec.backends import Executor
from gpucodec.codecs.jpeg2000_block_decoding import decode_ebcot
from gpucodec.codecs.jpeg2000_reading import CodedBlocks
from gpucodec.codestream.j2k_plan import DecodingPlan

__all__ = ["decode_any"]


def decode_any(
    where: Executor, plan: DecodingPlan, coded: CodedBlocks, num_frames: int, coefficients: Any
) -> npt.NDArray[np.int32]:
    """Decode codeblocks of either kind; see `decode_ebcot`."""
    from gpucodec_kernels.ht import decode

    _, passes, is_ht = where.download(coded.coded).reshape(-1, 3).T
    others = np.flatnonzero((is_ht == 0) & (passes != 0)).astype(np.int32)
    order, groups = _groups(where, plan, num_frames)
    status = where.upload(np.zeros(num_frames * plan.num_blocks, np.int32))
    places, blocks = plan.uploaded(where, "ebcot", (plan.block_places, plan.blocks))
    decode.decode(
        where, order, groups, coded.data, coded.segment_begins, coded.segments, coded.first_segment, coded.coded,
        places, blocks, plan.num_blocks, plan.num_coefficients, coefficients, status,
    )  # fmt: skip
    found = where.download(status)
    if len(others):
        found = np.maximum(found, decode_ebcot(where, plan, coded, num_frames, coefficients, others))
    return found


@lru_cache(maxsize=16)
def _groups(where: Executor, plan: DecodingPlan, num_frames: int) -> tuple[Any, Any]:
    """Return the order in which codeblocks are decoded, and where groups of equal ones begin, where kernels run."""
    from gpucodec_kernels.ht import decode

    columns = plan.blocks.reshape(-1, 8)
    order, groups = decode.group_codeblocks(columns[:, 1], columns[:, 2], num_frames)
    return where.constant(order), where.constant(groups)
