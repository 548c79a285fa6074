"""Sums over the threads of a block, in shared memory."""

from __future__ import annotations

from numpy import uint32

from gpucodec_kernels.target import device_function, synchronize


@device_function
def add_up(shared, base, thread, threads, value):
    """Return the sum of the values of all threads up to this one, and that of all; all threads must call it.

    Two times `threads` elements from `base` on are used, which nobody may write before the next synchronisation.
    """
    source, target = uint32(base), uint32(uint32(base) + threads)
    shared[source + thread] = value
    synchronize()
    distance = uint32(1)
    while distance < threads:
        total = shared[source + thread]
        if thread >= distance:
            shared[target + thread] = total + shared[source + uint32(thread - distance)]
        else:
            shared[target + thread] = total
        synchronize()
        source, target = target, source
        distance = uint32(distance + distance)
    return shared[source + thread], shared[source + uint32(threads - uint32(1))]
