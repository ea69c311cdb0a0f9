"""The chosen reference as the tasks of the align phase use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import dask
import numpy as np

from skry_dask.graph.row_tasks import only_chunk
from skry_dask.options import AlignMethod
from skry_dask.phases.alignment.frame_alignment import FrameAlignment, Reason

if TYPE_CHECKING:
    import xarray as xr
    from dask.delayed import Delayed

    from skry_dask.types import AnyArray, IntArray

METHODS = (AlignMethod.ANCHORS, AlignMethod.CENTROID, AlignMethod.DISC)
"""Methods by their number in results."""


class ChosenReference(NamedTuple):
    """The result of `choose_reference` as tasks use it.

    Parameters
    ----------
    method
        How frames are aligned.
    position
        Position of the reference among the key frames.
    alignments
        Of all key frames.
    """

    method: AlignMethod
    position: int
    alignments: list[FrameAlignment]


def chosen_reference(reference: xr.Dataset) -> Delayed:
    """Turn the result of `choose_reference`, lazy or not, into a lazy `ChosenReference`."""
    names = ("reference", "method", "key_offset", "key_confidence", "key_reason")
    values = (reference[name] for name in names)
    lazy = (only_chunk(v.data.rechunk(-1)) if v.chunks is not None else v.data for v in values)
    return dask.delayed(_chosen)(reference["key_frame"].to_numpy(), *lazy)


def _chosen(
    numbers: IntArray,
    reference: AnyArray,
    method: AnyArray,
    offset: AnyArray,
    confidence: AnyArray,
    reason: AnyArray,
) -> ChosenReference:
    alignments = [
        FrameAlignment((y, x), sure, Reason(why))
        for (y, x), sure, why in zip(
            offset.tolist(), confidence.tolist(), reason.tolist(), strict=True
        )
    ]
    position = int(np.searchsorted(numbers, reference))
    return ChosenReference(METHODS[int(method)], position, alignments)
