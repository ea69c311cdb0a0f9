"""Images in overlapping tiles, so that they may be larger than memory.

The grid of the tiles is part of the algorithm: it depends on the size of the image alone. So an
image in other chunks, or in one piece, gives the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask
import dask.array as da
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from dask.delayed import Delayed

    from skry_dask.types import AnyArray, Float32Array

TILE = 512
"""Side of a tile without its overlap, px."""

BAND = 8
"""Number of rows that are measured at a time of an image that may be larger than memory."""

WINDOW = 64
"""Side of the windows from which brightness and noise are measured, px."""

WINDOWS = 12
"""Most windows along each axis."""


def by_tiles(
    image: da.Array, compute: Callable[..., AnyArray], reach: int, *others: Any
) -> da.Array:
    """Compute an image tile by tile, each from its surroundings as well.

    Parameters
    ----------
    image
        (y, x, channel), in any chunks.
    compute
        Called with the float32 pixels of a tile and its surroundings, the tile's first row and
        column, and `others`; returns an array (y, x, channel) of that size. Beyond the image's
        border the surroundings are its reflection.
    reach
        Width of the surroundings, px.
    others
        Further arguments; a lazy one is computed first.

    Returns
    -------
    dask array of float32, (y, x, channel).
    """
    height, width, n_channels = image.shape
    rows = []
    for top in range(0, height, TILE):
        row = []
        for left in range(0, width, TILE):
            ys, y_margins = _surroundings(top, min(top + TILE, height), height, reach)
            xs, x_margins = _surroundings(left, min(left + TILE, width), width, reach)
            # No delayed function: its arguments would be computed for each tile anew.
            done = da.map_blocks(
                _compute_tile,
                image[ys, xs].rechunk(-1),
                (y_margins, x_margins),
                (top, left),
                reach,
                compute,
                *others,
                chunks=((min(TILE, height - top),), (min(TILE, width - left),), (n_channels,)),
                dtype=np.float32,
                meta=np.empty((0, 0, 0), np.float32),
            )
            row.append(done)
        rows.append(row)
    return da.concatenate([da.concatenate(row, axis=1) for row in rows], axis=0)


def compute_window(
    image: AnyArray,
    rows: slice,
    columns: slice,
    compute: Callable[..., AnyArray],
    reach: int,
    *others: Any,
) -> Float32Array:
    """Compute one window of an image in memory as if it were a tile; see `by_tiles`.

    Parameters
    ----------
    image
        (y, x, channel).
    rows, columns
        The window, within the image.
    compute, reach, others
        See `by_tiles`.

    Returns
    -------
    float32 (y, x, channel)
    """
    ys, y_margins = _surroundings(rows.start, rows.stop, image.shape[0], reach)
    xs, x_margins = _surroundings(columns.start, columns.stop, image.shape[1], reach)
    origin = rows.start, columns.start
    return _compute_tile(image[ys, xs], (y_margins, x_margins), origin, reach, compute, *others)


def _surroundings(start: int, stop: int, size: int, reach: int) -> tuple[slice, tuple[int, int]]:
    """Return which pixels a tile is computed from, and how many are missing on either side."""
    first, last = max(start - reach, 0), min(stop + reach, size)
    return slice(first, last), (first - (start - reach), stop + reach - last)


def _compute_tile(
    pixels: AnyArray,
    margins: tuple[tuple[int, int], tuple[int, int]],
    origin: tuple[int, int],
    reach: int,
    compute: Callable[..., AnyArray],
    *others: Any,
) -> Float32Array:
    padded = np.pad(np.asarray(pixels, np.float32), (*margins, (0, 0)), mode="symmetric")
    done = compute(padded, origin, *others)
    inner = slice(reach, -reach) if reach else slice(None)
    return np.ascontiguousarray(done[inner, inner], np.float32)


def from_whole(function: Callable[..., Any], *arguments: Any) -> Delayed:
    """Call a function with arrays as a whole, lazily.

    Parameters
    ----------
    function
        Called with the arguments.
    arguments
        Lazy arrays, which share their tasks with whatever else is made from them, as those of a
        delayed function do not; and others.
    """
    whole = [
        given.rechunk(-1).to_delayed(optimize_graph=False).item()
        if isinstance(given, da.Array)
        else given
        for given in arguments
    ]
    result: Delayed = dask.delayed(function, pure=True)(*whole)
    return result


def measured_now(lazy: Delayed) -> Delayed:
    """Compute what is measured of an image, before anything that depends on it.

    A graph that reads an image, measures it and reads it again would keep all of it between: this
    is for images that may be larger than memory.
    """
    found: Delayed = dask.delayed(lazy.compute(), traverse=False)
    return found


def computed_in_bands(rows: da.Array, axis: int) -> da.Array:
    """Compute a lazy array now, a few of its chunks along an axis at a time.

    All at once, parts of many rows of the image would wait in memory for each other.
    """
    n = rows.numblocks[axis]
    before = (slice(None),) * axis
    bands = [
        rows.blocks[(*before, slice(first, first + BAND))].compute() for first in range(0, n, BAND)
    ]
    return da.from_array(np.concatenate(bands, axis=axis), chunks=-1)


def windows(image: da.Array) -> da.Array:
    """Take windows all over an image, the same ones whatever its chunks.

    Parameters
    ----------
    image
        (y, x, channel).

    Returns
    -------
    dask array (window, y, x, channel), up to `WINDOW` px a side.
    """
    ys, xs = (_window_starts(size) for size in image.shape[:2])
    return da.stack([image[y : y + WINDOW, x : x + WINDOW] for y in ys for x in xs])


def _window_starts(size: int) -> list[int]:
    n = max(1, min(WINDOWS, size // WINDOW))
    last = max(size - WINDOW, 0)
    return [round(last * i / max(n - 1, 1)) for i in range(n)]
