"""Labelled Datasets: what the results of all phases have in common, and what is read from them."""

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

CHUNK_FRAMES = 16
"""Frames per chunk of a capture that has no chunks."""

MIN_REGION_PX = 16
"""Smallest side of a region that is of use, px."""

SUSPECT_BRIGHTNESS = 2.0
"""Frames are suspect that are brighter than the median of all by more than this factor."""


def variable(dims: tuple[str, ...], data: Any, units: str, long_name: str, **attrs: Any) -> Any:
    """Make a variable of a Dataset.

    Parameters
    ----------
    dims, data
        As for `xarray.Variable`.
    units
        For example "px"; "1" for fractions and counts.
    long_name
        What the values are, in words.
    **attrs
        Further attributes.
    """
    return xr.Variable(dims, data, {"units": units, "long_name": long_name, **attrs})


def image_variable(planes: da.Array, long_name: str) -> Any:
    """Make the variable of an image, 1 = full scale.

    Parameters
    ----------
    planes
        (plane, y, x): one plane, or three of red, green and blue.
    long_name
        What the image is, in words.

    Returns
    -------
    xarray.Variable (y, x) or (y, x, channel)
    """
    if len(planes) == 1:
        return variable(("y", "x"), planes[0], "1", long_name)
    return variable(("y", "x", "channel"), da.moveaxis(planes, 0, -1), "1", long_name)


def result(
    capture: xr.Dataset,
    options: PhaseOptions,
    variables: dict[str, xr.Variable],
    coords: dict[str, Any] | None = None,
) -> xr.Dataset:
    """Make the Dataset of a phase, which names its options.

    Parameters
    ----------
    capture
        Numbers the frames.
    options
        Options of the phase.
    variables
        By name. Dims ``frame``, ``axis`` and ``channel`` get their coordinates.
    coords
        Further coordinates.
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
    """Take the frames of a capture as a dask array.

    Parameters
    ----------
    capture
        With ``frames`` (frame, y, x[, channel]).

    Returns
    -------
    dask.array.Array
        uint8 or uint16 (frame, y, x[, channel]), chunked along ``frame`` only.

    Raises
    ------
    ReaderError
        If the capture has no frames of these dims and dtypes.
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
        frames = frames.chunk({"frame": CHUNK_FRAMES})
    return frames.data.rechunk(dict.fromkeys(range(1, frames.ndim), -1))


# --- what an alignment says ------------------------------------------------------------------


def region_of(alignment: xr.Dataset, capture: xr.Dataset) -> Region:
    """Find the region that all active frames show.

    Parameters
    ----------
    alignment
        From `align`. It is loaded, if it is lazy: it is small, and the region fixes the shapes of
        what follows.
    capture
        The capture that was aligned.

    Raises
    ------
    AlignmentError
        If no frame is active, or the active frames have too little in common.
    """
    alignment.load()
    height, width = capture["frames"].shape[1:3]
    active = alignment["active"].to_numpy()
    source = capture.attrs.get("source", "the capture")
    if not active.any():
        raise AlignmentError(
            f"{source}: no frame could be aligned ({count_reasons(alignment)}): "
            "try another --method or a smaller --min-confidence"
        )
    region = overlap_region(alignment["offset"].to_numpy(), active, height, width)
    if min(region.shape) < MIN_REGION_PX:
        raise AlignmentError(
            f"{source}: the active frames have only {region.width} x {region.height} px in common: "
            "give a larger --min-overlap, so that the farthest frames are left out"
        )
    return region


def bright_frames(alignment: xr.Dataset) -> list[int]:
    """Find the active frames to which light was added, which raises their contrast.

    Returns
    -------
    Numbers of the active frames that are over `SUSPECT_BRIGHTNESS` times as bright as the median.
    """
    active = alignment["active"].to_numpy()
    brightness = alignment["brightness"].to_numpy()
    usual = max(float(np.median(brightness[active])), 0.0)
    suspect = active & (brightness > SUSPECT_BRIGHTNESS * usual)
    return [int(number) for number in alignment["frame"].to_numpy()[suspect]]


def count_reasons(alignment: xr.Dataset) -> str:
    """Count inactive frames by reason, in words: "2 nothing to see, 1 not recognised"."""
    reason = alignment["reason"]
    names = str(reason.attrs["flag_meanings"]).split()
    counts = np.bincount(reason.to_numpy(), minlength=len(names))
    return ", ".join(
        f"{n} {name.replace('_', ' ')}"
        for name, n in zip(names, counts, strict=True)
        if n and name != "active"
    )
