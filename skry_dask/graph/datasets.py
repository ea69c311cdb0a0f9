"""What the results of all phases have in common: labelled, lazy, with units and provenance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import xarray as xr

from skry_dask.errors import AlignmentError, ReaderError
from skry_dask.geometry.canvas import Region, overlap_region
from skry_dask.options import as_json
from skry_dask.types import AXIS, CHANNEL

if TYPE_CHECKING:
    from skry_dask.options import PhaseOptions


def variable(dims: tuple[str, ...], data: Any, units: str, long_name: str, **attrs: Any) -> Any:
    """Build a variable with its units and what it is, in words."""
    return xr.Variable(dims, data, {"units": units, "long_name": long_name, **attrs})


def image_variable(planes: da.Array, long_name: str) -> Any:
    """Build the variable of an image from its planes (channel, y, x): one, or three of colour."""
    if len(planes) == 1:
        return variable(("y", "x"), planes[0], "1", long_name)
    return variable(("y", "x", "channel"), da.moveaxis(planes, 0, -1), "1", long_name)


def result(
    capture: xr.Dataset,
    options: PhaseOptions,
    variables: dict[str, xr.Variable],
    coords: dict[str, Any] | None = None,
) -> xr.Dataset:
    """Assemble the Dataset of a phase.

    Coordinates ``frame`` (as the capture numbers its frames), ``axis`` and ``channel`` are added
    where a variable has these dims.
    """
    dims = {dim for v in variables.values() for dim in v.dims}
    coords = dict(coords or {})
    if "frame" in dims:
        coords["frame"] = capture["frame"].variable
    if "axis" in dims:
        coords["axis"] = AXIS
    if "channel" in dims:
        coords["channel"] = CHANNEL
    attrs = {"phase": options.phase, "version": options.version, "options": as_json(options)}
    return xr.Dataset(variables, coords, attrs)


def whole_frames(capture: xr.Dataset) -> da.Array:
    """Frames as a dask array with chunks along ``frame`` only.

    Raises
    ------
    ReaderError
        If the capture has no variable ``frames`` (frame, y, x[, channel]) of uint8 or uint16.
    """
    frames = capture.get("frames")
    dims = ("frame", "y", "x", "channel")
    if frames is None or frames.dims not in (dims, dims[:3]):
        found = "none" if frames is None else frames.dims
        raise ReaderError(
            f"a capture has frames (frame, y, x) or (frame, y, x, channel), this one has {found}: "
            "use open_capture"
        )
    if "channel" in frames.dims and frames.sizes["channel"] != 3:
        raise ReaderError(
            f"frames have {frames.sizes['channel']} channels: they must have three, red, green "
            "and blue, or none"
        )
    if frames.dtype not in (np.uint8, np.uint16):
        raise ReaderError(f"frames are {frames.dtype}: they must be uint8 or uint16")
    if frames.chunks is None:
        frames = frames.chunk({"frame": 16})
    return frames.data.rechunk(dict.fromkeys(range(1, frames.ndim), -1))


def region_of(alignment: xr.Dataset, capture: xr.Dataset) -> Region:
    """Find the region; loads the alignment, which is small and whose values fix array shapes.

    Raises
    ------
    AlignmentError
        If no frame is active, or the active frames have too little in common.
    """
    alignment.load()
    height, width = capture["frames"].shape[1:3]
    active = alignment["active"].to_numpy()
    where = capture.attrs.get("source", "the capture")
    if not active.any():
        raise AlignmentError(
            f"{where}: no frame could be aligned ({why_inactive(alignment)}): "
            "try another --method or a smaller --min-confidence"
        )
    region = overlap_region(alignment["offset"].to_numpy(), active, height, width)
    if min(region.shape) < MIN_REGION:
        raise AlignmentError(
            f"{where}: the active frames have only {region.width} x {region.height} px in common: "
            "give a larger --min-overlap, so that the farthest frames are left out"
        )
    return region


MIN_REGION = 16
"""A region narrower than this is no use, px."""


BRIGHT = 2.0
"""Frames brighter than most by this factor are suspect."""


def too_bright(alignment: xr.Dataset) -> list[int]:
    """Find active frames in which light was added: their contrast passes for sharpness.

    Returns
    -------
    Numbers of the active frames that are over `BRIGHT` times as bright as their median.
    """
    active = alignment["active"].to_numpy()
    light = alignment["brightness"].to_numpy()
    bright = active & (light > BRIGHT * max(float(np.median(light[active])), 0.0))
    return [int(number) for number in alignment["frame"].to_numpy()[bright]]


def why_inactive(alignment: xr.Dataset) -> str:
    """Count inactive frames by reason, in words."""
    reason = alignment["reason"]
    names = str(reason.attrs["flag_meanings"]).split()
    counts = np.bincount(reason.to_numpy(), minlength=len(names))
    return ", ".join(
        f"{n} {name.replace('_', ' ')}"
        for name, n in zip(names, counts, strict=True)
        if n and name != "active"
    )
