"""Mono that is recorded as three equal channels, recognised in a few frames and treated as grey.

Programs write a mono camera's video as red, green and blue of the same value. Stacked as grey, it
takes a third of the time and memory, and the image is what a mono camera's should be.

Five frames are read, and compared until a channel differs: 2 ns a pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skry_dask.capture.hidden_mosaic import find_mosaic
from skry_dask.capture.samples import found_in_samples
from skry_dask.store.digest import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray as xr

    from skry_dask.types import Frames

PROBLEM = "Red, green and blue are equal in all sampled frames: they are stacked as grey."

MESH = (
    "Red, green and blue are equal in all sampled frames, and show the mesh of raw colour: they "
    "are stacked as grey; record raw colour in one channel, as SER, to have its colours."
)


def use_equal_channels(capture: xr.Dataset) -> xr.Dataset:
    """Develop the frames of a capture to grey, and tell it, if their channels are equal.

    Parameters
    ----------
    capture
        All rows and columns of a file, with ``frames`` that can be read; see `open_capture`.

    Returns
    -------
    xarray.Dataset
        With the attribute ``grey``, one more of the ``problems``, and a ``digest`` of its own; or
        unchanged, where the capture is mono or coloured, or is read as grey anyway.
    """
    frames = capture["frames"]
    if frames.ndim != 4 or "grey" in capture.attrs or not len(frames):
        return capture
    problem = found_in_samples(frames, describe_equal_channels)
    if problem is None:
        return capture
    attrs = {"grey": 1, "problems": [*capture.attrs["problems"], problem]}
    if "digest" in capture.attrs:
        attrs["digest"] = digest_of(capture.attrs["digest"], "equal channels")
    return capture.assign_attrs(attrs)


def describe_equal_channels(frames: Iterable[Frames]) -> str | None:
    """Tell in one line that the channels of frames are equal; None if they are not.

    Parameters
    ----------
    frames
        uint8 or uint16 (y, x, channel), some frames of a capture.
    """
    first_channels = []
    for frame in frames:
        first = frame[..., 0]
        thin = frame[::16]
        if (thin != thin[..., :1]).any() or any(
            not np.array_equal(first, frame[..., channel]) for channel in (1, 2)
        ):
            return None
        first_channels.append(first)
    if not any(channel.any() for channel in first_channels):
        return None  # black
    return MESH if find_mosaic(first_channels) else PROBLEM
