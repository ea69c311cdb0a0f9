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

METHODS = (AlignMethod.ANCHORS, AlignMethod.CENTROID, AlignMethod.DISC, AlignMethod.LIMB)
"""Methods by their number in results."""


CHAINED = (AlignMethod.ANCHORS, AlignMethod.LIMB)
"""Methods by which a frame may be aligned through key frames. (An object on a dark sky is found
wherever it is, or not at all.)"""

FAR_SHARE = 0.25
"""Key frames whose offset is at least this share of the frame's side serve as templates too."""


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

    @classmethod
    def of(cls, reference: xr.Dataset) -> ChosenReference:
        """Take the result of `choose_reference`, which is loaded if it is lazy."""
        reference.load()
        values = (reference[name].to_numpy() for name in _NAMES)
        return _chosen(reference["key_frame"].to_numpy(), *values)

    def is_far(self, index: int, min_agreement: float, frame_shape: tuple[int, ...]) -> bool:
        """Return whether a key frame serves as a template for frames near it.

        Parameters
        ----------
        index
            Position of the key frame among them.
        min_agreement
            Least agreement of its own alignment.
        frame_shape
            Height and width of a frame, px.
        """
        alignment = self.alignments[index]
        if alignment.agreement < min_agreement or self.method not in CHAINED:
            return False
        shares = (abs(v) / n for v, n in zip(alignment.offset, frame_shape, strict=True))
        return max(shares) >= FAR_SHARE


_NAMES = ("reference", "method", "key_offset", "key_agreement", "key_reason", "key_error")


def chosen_reference(reference: xr.Dataset) -> Delayed:
    """Turn the result of `choose_reference`, lazy or not, into a lazy `ChosenReference`."""
    values = (reference[name] for name in _NAMES)
    lazy = (only_chunk(v.data.rechunk(-1)) if v.chunks is not None else v.data for v in values)
    return dask.delayed(_chosen)(reference["key_frame"].to_numpy(), *lazy)


def _chosen(
    numbers: IntArray,
    reference: AnyArray,
    method: AnyArray,
    offset: AnyArray,
    agreement: AnyArray,
    reason: AnyArray,
    error: AnyArray,
) -> ChosenReference:
    alignments = [
        FrameAlignment((y, x), share, Reason(why), error=px)
        for (y, x), share, why, px in zip(
            *(values.tolist() for values in (offset, agreement, reason, error)), strict=True
        )
    ]
    position = int(np.searchsorted(numbers, reference))
    return ChosenReference(METHODS[int(method)], position, alignments)
