"""Labelled Datasets: what the results of all phases have in common, and what is read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import dask.array as da
import numpy as np
import xarray as xr

from skry_dask.errors import AlignmentError, ReaderError
from skry_dask.geometry.canvas import Region, overlap_region, union_region
from skry_dask.geometry.globe.rotation import Globe, Rotation
from skry_dask.graph.phase_inputs import identity_of
from skry_dask.graph.windowed_array import WindowedArray
from skry_dask.options import as_json
from skry_dask.types import AXIS, CHANNEL, HALF

if TYPE_CHECKING:
    from skry_dask.graph.windowed_array import Window
    from skry_dask.options import PhaseOptions
    from skry_dask.types import BoolArray

CHUNK_FRAMES = 16
"""Frames per chunk of a capture that has no chunks."""

EXCLUDED = "excluded"
"""Coordinate of a capture: bool (frame), the frames that are not stacked."""

DAMAGED = "damaged"
"""Coordinate of a capture: bool (frame), the frames that the decoder says may be damaged."""

MAX_DAMAGED = 0.5
"""Largest share of damaged frames: if more are said to be, their pictures count, not that."""

MIN_REGION_PX = 16
"""Smallest side of a region that is of use, px."""

SUSPECT_BRIGHTNESS = 2.0
"""Frames are suspect that are brighter than the median of all by more than this factor."""


class About(NamedTuple):
    """What a result says of itself.

    Parameters
    ----------
    title
        What it is, in words.
    next_step
        Call of the phase that usually follows.
    """

    title: str
    next_step: str = ""


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


def image_variable(
    planes: da.Array,
    long_name: str,
    window: Window | None = None,
    *,
    along: tuple[str, ...] = (),
) -> Any:
    """Make the variable of an image, or of several, 1 = full scale.

    Parameters
    ----------
    planes
        (*along, plane, y, x): one plane, or three of red, green and blue.
    long_name
        What the image is, in words.
    window
        Builds rows and columns of the planes, where they can be computed apart.
    along
        Dims that number several images; of a single one none.

    Returns
    -------
    xarray.Variable (*along, y, x[, channel])
    """
    image = _planes_last(planes)
    if window is not None:
        image = WindowedArray.of(image, lambda y, x: _planes_last(window(y, x)), len(along))
    dims = (*along, "y", "x", "channel")
    return variable(dims[: image.ndim], image, "1", long_name)


def _planes_last(planes: da.Array) -> da.Array:
    return planes[..., 0, :, :] if planes.shape[-3] == 1 else da.moveaxis(planes, -3, -1)


def result(
    capture: xr.Dataset,
    options: PhaseOptions,
    variables: dict[str, xr.Variable],
    coords: dict[str, Any] | None = None,
    *,
    name: str | None = None,
    about: About,
) -> xr.Dataset:
    """Make the Dataset of a phase, which names its options, its capture and what it is.

    Parameters
    ----------
    capture
        Numbers the frames.
    options
        Options of the phase.
    variables
        By name. Dims ``frame``, ``axis``, ``channel`` and ``half`` get their coordinates.
    coords
        Further coordinates.
    name
        Name of the phase [default: that of the options].
    about
        What the result says of itself.
    """
    dims = {dim for v in variables.values() for dim in v.dims}
    coords = dict(coords or {})
    if "frame" in dims:
        coords["frame"] = capture["frame"].variable
    if "axis" in dims:
        coords["axis"] = AXIS
    if "channel" in dims:
        coords["channel"] = CHANNEL
    if "half" in dims:
        coords["half"] = HALF
    attrs = {
        "title": about.title,
        "phase": name or options.phase,
        **identity_of(capture),
        "version": options.version,
        "options": as_json(options),
        **({"next_step": about.next_step} if about.next_step else {}),
    }
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


def excluded_frames(capture: xr.Dataset) -> BoolArray:
    """Return whether each frame of a capture is excluded from the stack: bool (frame)."""
    excluded = capture.get(EXCLUDED)
    if excluded is None:
        return np.zeros(capture.sizes["frame"], bool)
    return excluded.to_numpy().astype(bool)


def damaged_frames(capture: xr.Dataset) -> BoolArray:
    """Return whether each frame of a capture is left out as damaged: bool (frame).

    Some programs write videos that FFmpeg finds fault with in every frame.
    """
    damaged = capture.get(DAMAGED)
    n_frames = capture.sizes["frame"]
    if damaged is None or damaged.sum() > MAX_DAMAGED * n_frames:
        return np.zeros(n_frames, bool)
    return damaged.to_numpy().astype(bool)


def with_excluded(capture: xr.Dataset, excluded: BoolArray) -> xr.Dataset:
    """Mark frames as excluded from the stack: bool (frame); no frame is marked, no coordinate."""
    if not excluded.any():
        return capture.drop_vars(EXCLUDED, errors="ignore")
    return capture.assign_coords({EXCLUDED: ("frame", excluded)})


def stacked_frames(alignment: xr.Dataset, capture: xr.Dataset) -> BoolArray:
    """Return whether each frame may be stacked, active and not excluded: bool (frame).

    Parameters
    ----------
    alignment
        From `align`; loaded if it is lazy.
    capture
        The capture that was aligned.
    """
    return alignment.load()["active"].to_numpy() & ~excluded_frames(capture)


def measured_frames(alignment: xr.Dataset, capture: xr.Dataset, region: Region) -> BoolArray:
    """Return whether each frame is measured, active and showing the region: bool (frame).

    Excluded frames are measured too: so neither the others' results nor sums over frames depend on
    the choice of frames to stack. Of these, some may lie too far off to show the whole region. Of a
    union, frames show parts.

    Parameters
    ----------
    alignment
        From `align`; loaded if it is lazy.
    capture
        The capture that was aligned.
    region
        From `region_of`.
    """
    height, width = capture["frames"].shape[1:3]
    alignment.load()
    shown_by = region.touched_by if is_union(alignment) else region.shown_by
    shows = shown_by(alignment["offset"].to_numpy(), height, width)
    return alignment["active"].to_numpy() & shows


def is_union(alignment: xr.Dataset) -> bool:
    """Return whether results cover all that is seen in any active frame, excluded ones too."""
    return bool(alignment["union"]) if "union" in alignment else False


def rotation_of(alignment: xr.Dataset) -> Rotation | None:
    """Return the rotation of the globe that frames show, where it is to be undone.

    Parameters
    ----------
    alignment
        From `align` or `derotate`; loaded if it is lazy.
    """
    if "globe" not in alignment:
        return None
    alignment.load()
    turned = np.stack([alignment[name].to_numpy() for name in ("turn", "elapsed")], axis=1)
    return Rotation(Globe.of_values(alignment["globe"].to_numpy()), turned)


def region_of(alignment: xr.Dataset, capture: xr.Dataset) -> Region:
    """Find the region that results cover: what all frames show that may be stacked, or any of them.

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
        If no frame is active and not excluded, or these frames have too little in common.
    """
    alignment.load()
    height, width = capture["frames"].shape[1:3]
    source = capture.attrs.get("source", "the capture")
    if not alignment["active"].any():
        raise AlignmentError(
            f"{source}: no frame could be aligned ({count_reasons(alignment, capture)}): "
            "try another --method or a smaller --min-agreement"
        )
    stacked = stacked_frames(alignment, capture)
    if not stacked.any():
        raise AlignmentError(
            f"{source}: all {int(alignment['active'].sum())} frames that could be aligned are "
            "excluded: exclude fewer"
        )
    offset = alignment["offset"].to_numpy()
    if is_union(alignment):
        return union_region(offset, alignment["active"].to_numpy(), height, width)
    region = overlap_region(offset, stacked, height, width)
    if min(region.shape) < MIN_REGION_PX:
        raise AlignmentError(
            f"{source}: the active frames have only {region.width} x {region.height} px in common: "
            "give a larger --min-overlap, so that the farthest frames are left out, or --canvas "
            "union"
        )
    return region


def bright_frames(alignment: xr.Dataset, capture: xr.Dataset) -> list[int]:
    """Find the frames to stack to which light was added, which raises their contrast.

    Returns
    -------
    Numbers of those that are over `SUSPECT_BRIGHTNESS` times as bright as the median.
    """
    stacked = stacked_frames(alignment, capture)
    brightness = alignment["brightness"].to_numpy()
    usual = max(float(np.median(brightness[stacked])), 0.0)
    suspect = stacked & (brightness > SUSPECT_BRIGHTNESS * usual)
    return [int(number) for number in alignment["frame"].to_numpy()[suspect]]


def count_reasons(alignment: xr.Dataset, capture: xr.Dataset) -> str:
    """Count inactive frames by reason, in words: "2 nothing to see, 1 not recognised".

    Excluded frames are not counted.
    """
    reason = alignment["reason"]
    names = str(reason.attrs["flag_meanings"]).split()
    counts = np.bincount(reason.to_numpy()[~excluded_frames(capture)], minlength=len(names))
    return ", ".join(
        f"{n} {name.replace('_', ' ')}"
        for name, n in zip(names, counts, strict=True)
        if n and name != "active"
    )
