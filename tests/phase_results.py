"""The results of the four phases: computed from a capture, or given as they ought to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

import skry_dask as skry
from skry_dask.geometry.canvas import overlap_region, union_region
from skry_dask.phases.alignment.frame_alignment import Reason
from tests.small_captures import capture_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

ALIGN = skry.AlignOptions(anchor_size=32)
TRACK = skry.TrackOptions(block_size=24, search_radius=12)

AREA_SIZE = 20
"""Side of the areas whose quality `known_results` gives, px."""


class Results(NamedTuple):
    """The results of the four phases."""

    alignment: xr.Dataset
    quality: xr.Dataset
    points: xr.Dataset
    stack: xr.Dataset


def run_phases(
    capture: xr.Dataset,
    *,
    align: skry.AlignOptions = ALIGN,
    track: skry.TrackOptions = TRACK,
    stack: skry.StackOptions | None = None,
) -> Results:
    """Run all phases, each from the computed results of the phases before."""
    alignment = skry.align(capture, align).compute()
    quality = skry.estimate_quality(capture, alignment).compute()
    points = skry.track(capture, alignment, quality, track).compute()
    return Results(
        alignment, quality, points, skry.stack(capture, alignment, quality, points, stack).compute()
    )


def known_results(
    frames: ArrayLike,
    offset: ArrayLike,
    *,
    quality: ArrayLike | None = None,
    active: ArrayLike | None = None,
    canvas: str = "overlap",
    chunks: int = 3,
    **attrs: Any,
) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset, xr.Dataset]:
    """Make a capture with the results that the phases before the stack ought to have.

    Parameters
    ----------
    frames
        (frame, y, x[, channel])
    offset
        (frame, axis), px.
    quality
        (frame, area), or what broadcasts to it [default: 1].
    active
        (frame) [default: all].
    canvas
        Of the alignment.
    chunks
        Frames in a chunk.
    attrs
        Attributes of the capture.
    """
    frames, offset = np.asarray(frames), np.array(offset, float)
    n = len(frames)
    active = np.ones(n, bool) if active is None else np.array(active)
    reason = np.where(active, Reason.ACTIVE, Reason.NOT_RECOGNISED).astype(np.uint8)
    alignment = xr.Dataset(
        {
            "offset": (("frame", "axis"), offset),
            "active": ("frame", active),
            "reason": ("frame", reason, {"flag_meanings": " ".join(r.name for r in Reason)}),
            "union": ((), canvas == "union"),
        }
    )
    region_of = overlap_region if canvas == "overlap" else union_region
    height, width = region_of(offset, active, *frames.shape[1:3]).shape
    low = np.ceil(-offset[active].min(axis=0))
    n_areas = -(-height // AREA_SIZE) * -(-width // AREA_SIZE)
    of_areas = np.asarray(1 if quality is None else quality, np.float32)
    of_areas = np.broadcast_to(of_areas, (n, n_areas)).copy()
    of_areas[~active] = np.nan
    estimated = xr.Dataset(
        {
            "blended_quality": (("frame", "area"), of_areas),
            "frame_quality": ("frame", of_areas.mean(axis=1)),
        },
        attrs={"options": {"area_size": AREA_SIZE, "detail_scale": 3}},
    )
    position = low + np.array([[12.0, 12.0], [20.0, 30.0], [30.0, 14.0]])
    points = xr.Dataset(
        {
            "position": (("point", "axis"), position),
            "displacement": (("frame", "point", "axis"), np.zeros((n, 3, 2), np.float32)),
        }
    )
    capture = capture_of(frames, chunks=chunks).assign_attrs(attrs)
    return capture, alignment, estimated, points
