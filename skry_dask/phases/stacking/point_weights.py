"""Weights of frames at reference points, read by the tasks that need them, as displacements are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from skry_dask.graph.row_tables import as_table
from skry_dask.phases.rating.ranking import column_slices

if TYPE_CHECKING:
    from skry_dask.graph.row_tables import AnyRows
    from skry_dask.types import AnyArray, BoolArray, FloatArray, IntArray

HIDDEN_SHIFT = 4
"""Text and marks reduce weights by this number of bits."""

NEAR_POINT_PX = 8
"""A frame shows text at a point, if there is any this far away along both axes: points are about
twice as far apart, px."""


@dataclass(frozen=True, slots=True, eq=False)
class PointWeights:
    """Weights of frames at reference points, 255 = counts fully.

    ``weights[a:b]`` selects frames without reading; ``np.asarray(weights)`` reads: uint8 (frame,
    point).

    Parameters
    ----------
    measured
        uint8 (frame, point), in memory or in a store.
    least
        uint8 (point): smaller weights are raised to this one.
    hidden
        From `hidden_points`, or None: frames have hardly any weight there.
    """

    measured: AnyRows
    least: AnyArray
    hidden: AnyRows | None = None

    @property
    def content(self) -> list[Any]:
        """What the weights depend on, but the measured ones."""
        return [self.least, None if self.hidden is None else np.asarray(self.hidden)]

    def __getitem__(self, frames: slice) -> PointWeights:
        """Select frames."""
        hidden = None if self.hidden is None else self.hidden[frames]
        return replace(self, measured=self.measured[frames], hidden=hidden)

    def select(self, frames: IntArray, points: IntArray) -> PointWeights:
        """Select frames and points: indices."""
        hidden = None
        if self.hidden is not None:
            bits = np.unpackbits(self.hidden[frames], axis=1, count=len(self.least))
            hidden = np.packbits(bits[:, points], axis=1)
        return PointWeights(self.measured[frames][:, points], self.least[points], hidden)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        """Read the weights."""
        weight = np.asarray(self.measured)
        if self.hidden is not None:  # Where no frame shows more, what was filled in has to do.
            bits = np.unpackbits(np.asarray(self.hidden), axis=1, count=len(self.least))
            reduced = np.maximum(weight >> HIDDEN_SHIFT, 1)
            weight = np.where(bits.view(bool) & (weight > 0), reduced, weight)
        weight = np.maximum(weight, self.least)
        return weight if dtype is None else weight.astype(dtype)


def hidden_points(overlay: BoolArray, position: FloatArray, offset: FloatArray) -> Any:
    """Find where text and marks hide the scene; single pixels, such as hot ones, do not count.

    Parameters
    ----------
    overlay
        bool (y, x), masked pixels of frames; see `mask_standing`.
    position
        float64 (point, axis), on the canvas, px.
    offset
        float64 (frame, axis), px; NaN where it is not known.

    Returns
    -------
    uint8 (frame, byte), one bit for each point, as rows of a table: see `as_table`.
    """
    from scipy import ndimage

    wide = ndimage.binary_opening(overlay, np.ones((3, 3), bool))
    near = ndimage.maximum_filter(wide, 2 * NEAR_POINT_PX + 1, mode="constant")
    packed = np.empty((len(offset), -(-len(position) // 8)), np.uint8)
    for frames in column_slices(len(position), len(offset)):
        places = np.nan_to_num(position + offset[frames, None]).round().astype(np.int64)
        inside = ((places >= 0) & (places < overlay.shape)).all(axis=2)
        y, x = np.moveaxis(np.clip(places, 0, np.array(overlay.shape) - 1), 2, 0)
        packed[frames] = np.packbits(near[y, x] & inside, axis=1)
    return as_table(packed)
