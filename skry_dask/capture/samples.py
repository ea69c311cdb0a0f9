"""A few frames of a capture, evenly spaced, to learn what kind of capture it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from skry_dask.errors import SkryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import xarray as xr

    from skry_dask.types import Frames

Found = TypeVar("Found")

N_FRAMES = 5
"""Number of frames that are looked at."""


def sampled_numbers(n_frames: int, number: int = N_FRAMES) -> list[int]:
    """Return the numbers of evenly spaced frames, the first and the last among them.

    Parameters
    ----------
    n_frames
        Number of frames, at least one.
    number
        Most frames that are returned.

    Examples
    --------
    >>> sampled_numbers(100), sampled_numbers(3)
    ([0, 25, 50, 74, 99], [0, 1, 2])
    """
    spaced = np.linspace(0, n_frames - 1, number).round().astype(np.int64)
    return [int(number) for number in np.unique(spaced)]


def found_in_samples(
    frames: xr.DataArray, find: Callable[[Iterable[Frames]], Found | None]
) -> Found | None:
    """Return what a function finds in a few frames, which are read one at a time.

    Parameters
    ----------
    frames
        uint8 or uint16 (frame, y, x[, channel]), at least one.
    find
        Called with the frames.

    Returns
    -------
    What it finds; None, too, where a frame cannot be read, which is told when it is needed.
    """
    try:
        return find(frames.isel(frame=i).to_numpy() for i in sampled_numbers(len(frames)))
    except SkryError:
        return None
