"""Scratch of large frames: not kept from one to the next, so that what comes later has the memory."""

from __future__ import annotations

from typing import Any

from gpucodec.backends import Executor

__all__ = ["forget_scratch", "with_own_scratch"]

_KEPT_FOR_BYTES = 8 << 20


class _OwnScratch(Executor):
    """The host's executor, whose scratch lasts as long as it does."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend)
        self.own: dict[str, Any] = {}

    def scratch(self, name: str, size: int, dtype: Any) -> Any:
        """Return an uninitialised array, the caller's until `name` is asked for again."""
        memory = self.own.get(name)
        if memory is None or memory.size < size or memory.dtype != dtype:
            self.own.pop(name, None)
            memory = self.own[name] = self.temporary(size, dtype)
        return memory[:size]


def with_own_scratch(where: Executor, num_bytes: int) -> Executor:
    """Return what runs kernels for work whose largest array has so many bytes; GPUs' pools need no such care."""
    if not where.on_host or num_bytes <= _KEPT_FOR_BYTES:
        return where
    return _OwnScratch(where.backend)


def forget_scratch(where: Executor) -> None:
    """Let the scratch of large frames be the system's again; nothing of it may be needed any more."""
    if isinstance(where, _OwnScratch):
        where.own.clear()
