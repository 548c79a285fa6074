"""The order of packets: progressions and their changes, ITU-T T.800 B.12."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gpucodec.codestream.j2k_parameters import ProgressionOrder
from gpucodec.codestream.j2k_segments import Progression

__all__ = ["Precincts", "in_progression_order", "with_progression_changes"]

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Precincts:
    """The precincts of a tile, component by component, and those of one by resolution level and row by row.

    Parameters
    ----------
    component, resolution : array
        One a precinct.
    y, x : array
        int64, one a precinct: the reference grid's point at which it comes in a progression by position.
    """

    component: Ints
    resolution: Ints
    y: Longs
    x: Longs

    @classmethod
    def of_planes(cls, resolution: Ints, y: Longs, x: Longs, components: int) -> Precincts:
        """Return the precincts of a tile whose components are cut up alike."""
        component = np.repeat(np.arange(components, dtype=np.int32), len(resolution))
        return cls(component, np.tile(resolution, components), np.tile(y, components), np.tile(x, components))

    def order(self, order: ProgressionOrder, chosen: Longs) -> Longs:
        """Return the chosen precincts in a progression order as far as layers do not matter."""
        component, resolution = self.component[chosen], self.resolution[chosen]
        y, x = self.y[chosen], self.x[chosen]
        keys: dict[ProgressionOrder, tuple[npt.NDArray[np.generic], ...]] = {
            ProgressionOrder.LRCP: (resolution, component),
            ProgressionOrder.RLCP: (resolution, component),
            ProgressionOrder.RPCL: (resolution, y, x, component),
            ProgressionOrder.PCRL: (y, x, component, resolution),
            ProgressionOrder.CPRL: (component, y, x, resolution),
        }
        ranked: Longs = chosen[np.lexsort(keys[order][::-1])]
        return ranked


def in_progression_order(
    order: ProgressionOrder,
    precincts: Precincts,
    end_layer: int,
    done: Longs | None = None,
    chosen: Longs | None = None,
) -> tuple[Ints, Ints]:
    """Return the packets of a progression: the precinct and the layer of each.

    Parameters
    ----------
    order : ProgressionOrder
        Their order.
    precincts : Precincts
        The precincts of a tile.
    end_layer : int
        Layers up to this one, exclusive.
    done : array, optional
        One a precinct: layers that came before; none otherwise.
    chosen : array, optional
        Which precincts, all otherwise.
    """
    if chosen is None:
        chosen = np.arange(len(precincts.component), dtype=np.int64)
    ranked = precincts.order(order, chosen)
    first = np.zeros(len(ranked), np.int64) if done is None else done[ranked]
    counts = np.maximum(end_layer - first, 0)
    precinct = np.repeat(ranked, counts)
    begins = np.cumsum(counts) - counts
    layer = np.arange(len(precinct), dtype=np.int64) - np.repeat(begins - first, counts)
    if order == ProgressionOrder.LRCP:
        rank = np.argsort(layer, kind="stable")
    elif order == ProgressionOrder.RLCP:
        rank = np.lexsort((layer, precincts.resolution[precinct]))
    else:
        rank = np.arange(len(precinct))
    return precinct[rank].astype(np.int32), layer[rank].astype(np.int32)


def with_progression_changes(
    changes: Sequence[Progression], precincts: Precincts, num_layers: int
) -> tuple[Ints, Ints]:
    """Return the packets of progression order volumes one after the other, B.12.2: the precinct and layer of each.

    A packet comes once: a volume begins with the layer after those that came before.
    """
    done = np.zeros(len(precincts.component), np.int64)
    found: list[tuple[Ints, Ints]] = [(np.empty(0, np.int32), np.empty(0, np.int32))]
    for change in changes:
        end_layer = min(change.end_layer, num_layers)
        inside = (precincts.resolution >= change.first_resolution) & (precincts.resolution < change.end_resolution)
        inside &= (precincts.component >= change.first_component) & (precincts.component < change.end_component)
        chosen = np.flatnonzero(inside & (done < end_layer))
        if len(chosen):
            found.append(in_progression_order(change.order, precincts, end_layer, done, chosen))
            done[chosen] = end_layer
        if (done >= num_layers).all():
            break
    precinct, layer = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return precinct, layer
