"""The part of a reference's grid that several images show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.finishing.registration.displacement import EDGE_PX
from skry_dask.geometry.canvas import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skry_dask.finishing.registration.displacement import Displacement

N_PLACES = 33
"""Number of places at which the displacement along a border is looked up."""


def region_of(displacement: Displacement, shape: tuple[int, ...]) -> Region:
    """Find the rectangle of the reference's grid that an image shows, on it and beyond it.

    Parameters
    ----------
    displacement
        Of the image.
    shape
        Of the image: height and width, px.
    """
    low = -displacement.similarity[:2]
    high = low + np.array(shape) - 1
    for _ in range(2):  # the displacement at the borders, which depends on where they are
        y, x = (np.linspace(low[axis], high[axis], N_PLACES) for axis in range(2))
        at = displacement.at(y, x)
        low = np.array([-at[0, :, 0].min(), -at[:, 0, 1].min()])
        high = np.array(shape) - 1 - np.array([at[-1, :, 0].max(), at[:, -1, 1].max()])
    top, left = np.ceil(low - EDGE_PX).astype(int).tolist()
    bottom, right = np.floor(high + EDGE_PX).astype(int).tolist()
    return Region(top, left, bottom - top + 1, right - left + 1)


def overlap(regions: Sequence[Region]) -> Region | None:
    """Return the rectangle that all regions have in common, or None."""
    top, left = max(r.y for r in regions), max(r.x for r in regions)
    bottom = min(r.y + r.height for r in regions)
    right = min(r.x + r.width for r in regions)
    if bottom <= top or right <= left:
        return None
    return Region(top, left, bottom - top, right - left)


def union(regions: Sequence[Region]) -> Region:
    """Return the smallest rectangle that contains all regions."""
    top, left = min(r.y for r in regions), min(r.x for r in regions)
    bottom = max(r.y + r.height for r in regions)
    right = max(r.x + r.width for r in regions)
    return Region(top, left, bottom - top, right - left)
